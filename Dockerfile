# The image of a release. It takes the binary that `make dist` made and compiles nothing, so that the image and the archive
# hold the same bytes: docker build -f Dockerfile -t resly target/package/resly-VERSION-TARGET
#
# The system's C library has to be at least as new as that of the machine that built the binary.
FROM debian:bookworm-slim

# Connectors and models are reached by TLS, under the system's certificate authorities.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin resly \
 && install -d -o resly -g resly -m 0700 /data

COPY --chmod=0755 resly /usr/local/bin/resly
COPY LICENSE README.md /usr/share/doc/resly/

# SQLite's file, the master key that the first start makes outside production, compiled connectors and search indexes.
ENV RESLY_DATA=/data \
    RESLY_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
USER 10001

# The image has no HTTP client, but its shell opens sockets. The first start compiles connectors after it listens.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r status <&3 && [[ $status == 'HTTP/1.1 200'* ]]"]

ENTRYPOINT ["resly"]
CMD ["serve"]
