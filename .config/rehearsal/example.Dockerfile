FROM base AS files
ARG VERSION=1
ENV A=b
WORKDIR /app
COPY a* d ./

FROM base
COPY --from=files /app /app
COPY d/b /b
LABEL version=$VERSION
CMD ["/b"]
