# An image that runs `ringhold serve` as an ordinary user. How to run it: docs/operations.md.
#
#   docker build -t ringhold .
#
# BUILD_IMAGE needs cargo and a C compiler, RUNTIME_IMAGE apt-get and the C library of BUILD_IMAGE.
# BINARY_FROM names an image that has the binary already, at the same path: then nothing is
# compiled (BuildKit leaves out the stage that nobody asks for).
ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim
ARG BINARY_FROM=build

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# Dependencies first, around an empty crate: this layer lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src bench \
    && echo 'fn main() {}' >src/main.rs && touch src/lib.rs && cp src/main.rs bench/main.rs \
    && cargo build --release --locked --bin ringhold
COPY src src
# Cargo goes by times, and files of a checkout may be older than the layer above.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin ringhold \
    && strip --strip-debug -o /usr/local/bin/ringhold target/release/ringhold

FROM ${BINARY_FROM} AS binary

FROM ${RUNTIME_IMAGE} AS runtime
# Fetching a URL for a client trusts the authorities of the system: they belong to the image.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && groupadd --system --gid 10001 ringhold \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin ringhold \
    && install --directory --owner=ringhold --group=ringhold --mode=0750 /app/files
COPY --from=binary /usr/local/bin/ringhold /usr/local/bin/ringhold

LABEL org.opencontainers.image.title="ringhold" \
      org.opencontainers.image.description="Storage daemon: files in and out over HTTP, durable and hashed" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

ENV RINGHOLD_LISTEN=0.0.0.0:8080 \
    RINGHOLD_ROOT=/app/files
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /app
# After the directory got its owner: a new volume takes it from the image.
VOLUME /app/files
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["ringhold", "health"]
ENTRYPOINT ["ringhold"]
CMD ["serve"]
