# paste-mcp with uv and Node.js, so that servers started by uvx and npx run in it.
#
#   docker build -t paste-mcp .
#   docker run --rm -i -v "$PWD/servers.json:/servers.json:ro" -v paste-mcp-state:/state paste-mcp
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE patterns.yaml ./
COPY paste_mcp paste_mcp
COPY servers servers
RUN python -m venv /opt/paste-mcp && /opt/paste-mcp/bin/pip install --no-cache-dir . uv

FROM python:3.13-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 paste \
    && install -d -o paste -g paste -m 700 /state
COPY --from=build /opt/paste-mcp /opt/paste-mcp
ENV PATH=/opt/paste-mcp/bin:$PATH PASTE_MCP_STATE_DIR=/state PYTHONUNBUFFERED=1
USER paste
VOLUME /state
ENTRYPOINT ["paste-mcp"]
CMD ["serve", "--config", "/servers.json"]
