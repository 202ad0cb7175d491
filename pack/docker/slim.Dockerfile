# Debian, the program and one agent. In the folder of a release: docker build -f slim.Dockerfile --build-arg AGENT=codex .
FROM debian:bookworm-slim AS release
COPY install.sh SHA256SUMS sandbox-agent-*-linux.tar.gz /release/
RUN sh /release/install.sh --from /release --to /out/bin

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git && rm -rf /var/lib/apt/lists/*
COPY --from=release /out/ /usr/local/
ARG AGENT=codex
ENV SANDBOX_AGENT_AGENT=$AGENT
RUN sandbox-agent install-agent "$AGENT"
RUN useradd --create-home --uid 1000 agent
USER agent
WORKDIR /home/agent
HEALTHCHECK --interval=60s --timeout=30s CMD sandbox-agent doctor --agent "$SANDBOX_AGENT_AGENT"
ENTRYPOINT ["sandbox-agent"]
