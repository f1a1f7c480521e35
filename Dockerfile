# The image of a release, in two ways that end in the same stage:
#   docker build --tag resly .                                                        compiles it from this folder
#   docker build --tag resly --target packed -f Dockerfile target/package/resly-…     takes what `make dist` made, so that the
#                                                                                     image and the archive hold the same bytes
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN make dist && mv target/package/resly-*/ /package

# The system's C library has to be at least as new as that of the machine that built the binary.
FROM debian:bookworm-slim AS base

# Connectors and models are reached by TLS, under the system's certificate authorities.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin resly \
 && install -d -o resly -g resly -m 0700 /data

# SQLite's file, the master key that the first start makes outside production, compiled connectors and search indexes. Nothing
# else is written: the file system can be read-only but for this.
ENV RESLY_DATA=/data \
    RESLY_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
USER 10001

# The first start compiles connectors after it listens.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["resly", "healthcheck"]

ENTRYPOINT ["resly"]
CMD ["serve"]

FROM base AS packed
COPY --chmod=0755 resly /usr/local/bin/resly
COPY LICENSE README.md /usr/share/doc/resly/

FROM base
COPY --from=build --chmod=0755 /package/resly /usr/local/bin/resly
COPY --from=build /package/LICENSE /package/README.md /usr/share/doc/resly/
