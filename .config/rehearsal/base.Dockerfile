FROM scratch
COPY d /d
ENV PATH=/bin
