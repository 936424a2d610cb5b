# One image for the write side, the read side and the tools: `firstcome command`, `query`, `check`, `verify`, `console`.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --features cluster && cp target/release/firstcome /firstcome

FROM debian:12.11-slim
RUN useradd --system --uid 10001 --no-create-home firstcome
# For servers that are reached with TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /firstcome /usr/local/bin/firstcome
USER firstcome
# A container's own loopback is nobody else's. Without API keys it refuses to listen here.
ENV FIRSTCOME_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["firstcome", "check", "--ready"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["firstcome"]
CMD ["command"]
