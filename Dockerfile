# The one binary, for docker-compose.yml.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p dancu

FROM debian:bookworm-slim
# curl asks the health check.
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 dancu \
    && install -d -o dancu -g dancu /srv/node-a /srv/node-b /srv/query
COPY --from=build /src/target/release/dancu /usr/local/bin/dancu
USER dancu
ENTRYPOINT ["dancu"]
