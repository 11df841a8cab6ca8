FROM base AS files
ARG VERSION=1
ENV A=b
WORKDIR /app

FROM base
COPY --from=files /app /app
COPY --from=files /d /d
LABEL version=$VERSION
CMD ["/b"]
