# Debian, the program, agents and a desktop. In the folder of a release: docker build -f full.Dockerfile .
FROM debian:bookworm-slim AS release
COPY install.sh SHA256SUMS sandbox-agent-*-linux.tar.gz /release/
RUN sh /release/install.sh --from /release --to /out/bin

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl git jq ripgrep && rm -rf /var/lib/apt/lists/*
COPY --from=release /out/ /usr/local/
RUN sandbox-agent install desktop --yes && rm -rf /var/lib/apt/lists/*
# --all is also Cursor's, which its maker's own site has.
ARG AGENTS="claude codex opencode pi amp"
RUN sandbox-agent install-agent $AGENTS
RUN useradd --create-home --uid 1000 agent
USER agent
WORKDIR /home/agent
HEALTHCHECK --interval=60s --timeout=30s CMD sandbox-agent doctor
ENTRYPOINT ["sandbox-agent"]
