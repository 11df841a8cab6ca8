FROM scratch
COPY a /
ENV PATH=/bin
