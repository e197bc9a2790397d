"""Servers that others wrote, from npm and PyPI, all behind one proxy: the official client is told what it is told
without the proxy, over stdio and HTTP, in both protocol eras.
"""

import os
from contextlib import asynccontextmanager

import anyio
import mcp_types as types
import pytest
from integration_harness import (
    direct,
    outcome,
    proxy_listening,
    script,
    side_by_side,
    through_stdio,
    until,
    within,
    write_config,
)
from mcp import Client
from npm_packages import Missing, cache_folder, install, node_and_npm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SCOPE, VERSION = "@modelcontextprotocol", "2026.8.31"
NAMES = ("everything", "filesystem", "memory")
ERA_FIELDS = {"resultType", "ttlMs", "cacheScope"}
"""What results of the newer protocol say besides; a legacy server's results are given them for a modern client."""

GRAPH = {
    "entities": [
        {"name": "Ada", "entityType": "person", "observations": ["é\u2028", ""]},
        {"name": "Engine", "entityType": "machine", "observations": []},
    ]
}
RELATIONS = {"relations": [{"from": "Ada", "to": "Engine", "relationType": "wrote for"}]}
CALLS = [
    ("everything", "echo", {"message": "é\u2028\U0001f600"}),
    ("everything", "get-sum", {"a": 0.1, "b": 2**40}),
    ("everything", "get-sum", {"a": "no number"}),
    ("everything", "get-tiny-image", {}),
    ("everything", "get-annotated-message", {"messageType": "error", "includeImage": True}),
    ("everything", "get-structured-content", {"location": "Chicago"}),
    ("everything", "get-resource-links", {"count": 3}),
    ("everything", "get-resource-reference", {"resourceType": "Text", "resourceId": 2}),
    ("everything", "nope", {}),
    ("filesystem", "list_directory", {"path": "{root}"}),
    ("filesystem", "read_text_file", {"path": "{root}/é.txt"}),
    ("filesystem", "read_media_file", {"path": "{root}/all-bytes.png"}),
    ("filesystem", "read_multiple_files", {"paths": ["{root}/é.txt", "{root}/missing"]}),
    ("filesystem", "search_files", {"path": "{root}", "pattern": "**/*.txt"}),
    ("filesystem", "read_text_file", {"path": "/etc/hostname"}),
    ("filesystem", "read_text_file", {}),
    ("memory", "create_entities", GRAPH),
    ("memory", "create_relations", RELATIONS),
    ("memory", "read_graph", {}),
    ("memory", "open_nodes", {"names": ["Ada"]}),
    ("memory", "search_nodes", {"query": "machine"}),
    ("git", "git_status", {"repo_path": "{root}"}),
    ("git", "git_log", {"repo_path": "{root}", "max_count": 2}),
    ("git", "git_show", {"repo_path": "{root}", "revision": "no-such-revision"}),
    ("time", "convert_time", {"source_timezone": "UTC", "time": "16:30", "target_timezone": "Asia/Kolkata"}),
    ("time", "get_current_time", {"timezone": "Mars/Olympus"}),
]


@pytest.fixture(scope="module")
def node_servers():
    """How npm's servers are started: by name, command and first argument."""
    home = cache_folder("servers") / VERSION
    packages = home / "node_modules" / SCOPE
    try:
        node, npm = node_and_npm()
        if not all((packages / f"server-{name}" / "dist" / "index.js").exists() for name in NAMES):
            install(npm, home, *(f"{SCOPE}/server-{name}@{VERSION}" for name in NAMES))
    except Missing as missing:
        pytest.skip(str(missing))
    return {name: [str(node), str(packages / f"server-{name}" / "dist" / "index.js")] for name in NAMES}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root").resolve()
    (folder / "é.txt").write_text("first\r\nsecond é\u2028\n", newline="")
    (folder / "all-bytes.png").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture(scope="module")
async def repository(root):
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "é"]):
        await anyio.run_process(["git", "-C", str(root), *arguments], env=environ)
    return root


def entries(node_servers, root, memory):
    """The servers, with a memory of their own."""
    node = {name: {"command": command, "args": [index]} for name, (command, index) in node_servers.items()}
    node["everything"]["args"].append("stdio")
    node["filesystem"]["args"].append(str(root))
    node["memory"]["env"] = {"MEMORY_FILE_PATH": str(memory)}
    return {
        **node,
        "git": {"command": script("mcp-server-git"), "env": {"GIT_OPTIONAL_LOCKS": "0"}},
        "time": {"command": script("mcp-server-time"), "args": ["--local-timezone", "UTC"]},
    }


@asynccontextmanager
async def proxied(way, mode, servers, folder, **client):
    config = write_config(folder, servers)
    if way == "stdio":
        async with through_stdio(config, folder / "state", mode, **client) as connected:
            yield connected
    else:
        async with (
            proxy_listening(config, folder / "state", "http") as url,
            Client(f"{url}/mcp/s/real", mode=mode, **client) as connected,
        ):
            yield connected


def plain(value):
    """What was said, without what only one of the eras says, and without what was not said."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in ERA_FIELDS and v is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


def filled(value, root):
    if isinstance(value, dict):
        return {key: filled(inner, root) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, root) for inner in value]
    return value.replace("{root}", str(root)) if isinstance(value, str) else value


async def listed(client, what):
    """All pages of a listing, as plain data; nothing where the server has none."""
    try:
        result = await getattr(client, f"list_{what}")()
    except Exception:
        return []
    (items,) = [
        value for value in plain(result.model_dump(mode="json", by_alias=True)).values() if isinstance(value, list)
    ]
    return items


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("way", ["stdio", "http"])
@within(180)
async def test_through_the_proxy_everything_is_as_without_it(tmp_path, node_servers, repository, way, mode):
    (tmp_path / "proxied").mkdir()
    alone = entries(node_servers, repository, tmp_path / "direct.jsonl")
    behind = entries(node_servers, repository, tmp_path / "proxied.jsonl")
    clients = {alias: direct(entry, mode) for alias, entry in alone.items()}
    async with side_by_side(**clients, proxy=proxied(way, mode, behind, tmp_path / "proxied")) as opened:
        proxy = opened.pop("proxy")
        await offered(proxy, "git__git_status", "time__convert_time")
        for what in ("tools", "prompts"):
            expected = [
                {**item, "name": f"{alias}__{item['name']}"}
                for alias, client in opened.items()
                for item in await listed(client, what)
            ]
            assert await listed(proxy, what) == expected
        for what in ("resources", "resource_templates"):
            expected = [item for client in opened.values() for item in await listed(client, what)]
            assert await listed(proxy, what) == expected
        for alias, tool, arguments in CALLS:
            given = filled(arguments, repository)
            expected = plain(await outcome(opened[alias], tool, given))
            assert plain(await outcome(proxy, f"{alias}__{tool}", given)) == expected, (alias, tool, given)
        uri = "demo://resource/static/document/features.md"
        expected = plain((await opened["everything"].read_resource(uri)).model_dump(mode="json", by_alias=True))
        assert plain((await proxy.read_resource(uri)).model_dump(mode="json", by_alias=True)) == expected
        expected = plain((await opened["everything"].get_prompt("args-prompt", {"city": "é"})).model_dump(mode="json"))
        got = await proxy.get_prompt("everything__args-prompt", {"city": "é"})
        assert plain(got.model_dump(mode="json")) == expected


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("way", ["stdio", "http"])
@within(90)
async def test_progress_cancellation_and_questions_to_the_user_work(tmp_path, node_servers, way, mode):
    asked, heard = [], []

    async def sample(_, params):
        asked.append(params.messages[0].content.text)
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="sampled é"), model="m"
        )

    async def elicit(_, params):
        asked.append(params.message)
        return types.ElicitResult(action="decline")

    async def hear(progress, total, _):
        heard.append((progress, total))

    servers = {"e": entries(node_servers, tmp_path, tmp_path / "m")["everything"]}
    callbacks = {"sampling_callback": sample, "elicitation_callback": elicit}
    async with proxied(way, mode, servers, tmp_path, **callbacks) as client:
        names = await offered(client, "e__trigger-sampling-request", "e__trigger-elicitation-request")
        assert "e__echo" in names
        long = {"duration": 1, "steps": 4}
        done = await client.call_tool("e__trigger-long-running-operation", long, progress_callback=hear)
        assert "completed" in done.content[0].text
        await until(lambda: len(heard) == 4)
        assert heard == [(step, 4) for step in range(1, 5)]
        with anyio.move_on_after(0.5) as cut:
            await client.call_tool("e__trigger-long-running-operation", {"duration": 60, "steps": 60})
        assert cut.cancelled_caught
        sampled = await client.call_tool("e__trigger-sampling-request", {"prompt": "say é"})
        assert "sampled é" in str(sampled.content)
        declined = await client.call_tool("e__trigger-elicitation-request", {})
        assert "declin" in str(declined.content)
        assert len(asked) == 2
        assert "say é" in asked[0]


async def offered(client, *names):
    """The names of the tools, once these are among them: some servers start late, some add tools later."""
    while True:
        found = {tool.name for tool in (await client.list_tools()).tools}
        if found.issuperset(names):
            return found
        await anyio.sleep(0.05)
