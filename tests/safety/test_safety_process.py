# ruff: noqa: E501 - a table of forms reads better whole
"""The proxy as a process: killed at any moment it starts again whole, and what passes through it is kept nowhere."""

import base64
import json
import os
import secrets
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from integration_harness import SERVE, alive, stderr_of, through_stdio, until, within, write_config
from mcp import Client, MCPError, StdioServerParameters, stdio_client

from paste_mcp.store.learnt import StoreError
from paste_mcp.store.state import learnt_store

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
SERVER = str(HERE / "safety_fault_server.py")


@pytest.fixture
def anyio_backend():
    return "asyncio"


def faulty(tmp_path, **more):
    return {"command": sys.executable, "args": ["-ES", SERVER, str(tmp_path / "log")], **more}


# --- killed ---------------------------------------------------------------------------------------------------------

KEEP_PID = """import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


async def killed_after(config, state, pid_file, seconds):
    """Use a proxy for so long, then kill it; its server's process id."""
    command, *arguments = [sys.executable, "-c", KEEP_PID, str(pid_file), *SERVE, "--config", str(config)]
    environ = {"PASTE_MCP_STATE_DIR": str(state)}
    parameters = StdioServerParameters(command=command, args=arguments, env=environ)
    server = 0
    with stderr_of(state).open("a") as log:
        try:
            async with Client(stdio_client(parameters, errlog=log), mode="legacy") as client:
                result = await client.call_tool("f__echo", {"how": "pid", "nonce": "pid"})
                server = int(result.content[0].text)

                async def use(n):
                    for number in range(10_000):
                        await client.call_tool("f__echo", {"how": "fine", "nonce": f"{n}-{number}"})

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(use, 0)
                    tasks.start_soon(use, 1)
                    await anyio.sleep(seconds)
                    os.kill(int(pid_file.read_text()), signal.SIGKILL)
        except* (MCPError, OSError, anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
    assert server
    return server


@pytest.mark.parametrize("most", [1, pytest.param(500, marks=pytest.mark.chaos)], ids=["small", "many"])
@within(3600)
async def test_a_proxy_killed_at_any_moment_starts_again_whole_and_leaves_no_server_behind(spell, tmp_path, most):
    state, config = tmp_path / "state", write_config(tmp_path, {"f": faulty(tmp_path)}, speculation="annotated")
    state.mkdir()
    took, lost = [], 0
    for number in spell.rounds(most):
        server = await killed_after(config, state, tmp_path / "pid", spell.random.uniform(0, 0.5))
        with anyio.fail_after(15):
            await until(lambda server=server: not alive(server))
        began = time.monotonic()
        async with through_stdio(config, state) as client:
            result = await client.call_tool("f__echo", {"how": "fine", "nonce": f"again-{number}"})
            took.append(time.monotonic() - began)
            assert result.content[0].text == f"again-{number}"
        store = learnt_store(state)
        try:
            store.load(20_000, literals=True)
        except StoreError:
            lost += 1
        for record in (state / "sessions").glob("*.jsonl"):
            for line in record.read_bytes().split(b"\n")[:-1]:
                json.loads(line)
    assert lost == 0
    took.sort()
    spell.tell(kills=len(took), restart_median_s=round(took[len(took) // 2], 2), restart_longest_s=round(took[-1], 2))


@pytest.mark.parametrize("most", [10, pytest.param(1_000, marks=pytest.mark.chaos)], ids=["small", "many"])
@within(3600)
async def test_whatever_became_of_the_bytes_of_what_was_learnt_it_is_read_or_put_aside(spell, tmp_path, most):
    config = write_config(tmp_path, {"f": faulty(tmp_path)})
    async with through_stdio(config, tmp_path / "state") as client:
        for n in range(5):
            await client.call_tool("f__echo", {"how": "fine", "nonce": str(n)})
    store = learnt_store(tmp_path / "state")
    whole, aside = store.path.read_bytes(), 0
    assert list(store.load(20_000, literals=True))
    for rest in store.path.parent.glob("*-*"):
        rest.unlink()
    for _ in spell.rounds(most):
        spoilt = bytearray(whole)
        for _ in range(spell.random.choice([1, 1, 10, 1000])):
            spoilt[spell.random.randrange(len(spoilt))] ^= 1 << spell.random.randrange(8)
        store.path.write_bytes(bytes(spoilt[: spell.random.choice([len(spoilt)] * 3 + [len(spoilt) // 2, 10, 0])]))
        try:
            list(store.load(20_000, literals=True))
        except StoreError as error:
            assert "move it away" in str(error) or "database" in str(error), error
        aside += store.path.with_name(f"{store.path.name}.damaged").exists()
        for rest in store.path.parent.iterdir():
            rest.unlink()
    spell.tell(spoilt=most, put_aside=aside)


# --- secrets --------------------------------------------------------------------------------------------------------


def some(length, alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"):
    return "".join(secrets.choice(alphabet) for _ in range(length))


def upper(length):
    return some(length, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def digest(length):
    return some(length, "0123456789abcdef")


def canaries():
    """Forty kinds, put together here so that no file holds one; of each, the part that may be found nowhere."""
    jwt = f"eyJ{some(30)}.eyJ{some(40)}.{some(43)}"
    key = "\n".join(some(64) for _ in range(3))
    made = {
        "AWS id": ("AK" + "IA{}", upper(16)), "AWS secret": ("aws_secret_access_key={}", some(40)),
        "GitHub": ("gh" + "p_{}", some(36)), "GitHub app": ("gh" + "s_{}", some(36)),
        "GitHub fine": ("github" + "_pat_{}", some(70)), "GitLab": ("gl" + "pat-{}", some(20)),
        "Slack bot": ("xox" + "b-{}", some(40)), "Slack hook": ("https://hooks.slack" + ".com/services/T0/B0/{}", some(24)),
        "OpenAI": ("s" + "k-{}", some(48)), "Anthropic": ("s" + "k-ant-{}", some(60)), "Stripe": ("s" + "k_live_{}", some(24)),
        "Google": ("AI" + "za{}", some(35)), "Google token": ("ya" + "29.{}", some(60)), "JWT": ("{}", jwt),
        "Bearer": ("Authorization: Bearer {}", some(32)), "Basic": ("Basic {}", base64.b64encode(some(24).encode()).decode()),
        "RSA": ("-----BEGIN RSA PRIVATE" + " KEY-----\n{}\n-----END", key), "SSH": ("-----BEGIN OPENSSH PRIVATE" + " KEY-----\n{}", key),
        "password": ("password={}", some(14)), "password in words": ("the password is {}", some(14)),
        "JSON": ('{{"api_key": "{}"}}', some(20)), "URL": ("postgres://app:{}@db.example.com/x", some(16)),
        "Mongo": ("mongodb+srv://app:{}@cluster.example.com", some(16)), "query": ("https://x.example.com/?token={}", some(24)),
        "npm": ("npm" + "_{}", some(36)), "PyPI": ("py" + "pi-{}", some(80)), "SendGrid": ("S" + f"G.{some(22)}.{{}}", some(43)),
        "Twilio": ("S" + "K{}", digest(32)), "Hugging Face": ("h" + "f_{}", some(34)), "DigitalOcean": ("dop" + "_v1_{}", digest(64)),
        "Shopify": ("shp" + "at_{}", digest(32)), "Telegram": ("123456789:AA{}", some(33)), "Vault": ("hv" + "s.{}", some(24)),
        "Azure": ("AccountKey={}", some(86)), "age": ("AGE-SECRET" + "-KEY-1{}", upper(58)), "hex": ("{}", digest(64)),
        "Cookie": ("Cookie: sessionid={}", some(32)), "signature": ("X-Amz-Signature={}", digest(64)),
        "npmrc": ("//registry.example.com/:_authToken={}", some(36)), "curl": ("curl -u admin:{} https://x.example.com", some(16)),
    }  # fmt: skip
    return {kind: (form.format(secret), secret.split("\n")[0]) for kind, (form, secret) in made.items()}


def kept(folder, extra):
    """All that is written, by file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in [*files, *extra]}


@pytest.mark.parametrize("paste", [{}, {"history": True}], ids=["as it comes", "with texts"])
@within(90)
async def test_no_secret_that_passed_is_found_in_anything_that_is_written(tmp_path, paste):
    given = canaries()
    assert len(given) == 40
    kinds = list(given.values())
    environ = {f"CANARY_{n}": whole.replace("\n", " ") for n, (whole, _) in enumerate(kinds)}
    headers = {f"X-Canary-{n}": whole.replace("\n", " ") for n, (whole, _) in enumerate(kinds)}
    servers = {
        "f": faulty(tmp_path, env=environ),
        "gone": {"url": "http://127.0.0.1:9/mcp", "headers": headers, "start_timeout_s": 1},
        "nowhere": {"command": str(tmp_path / "none"), "args": [whole for whole, _ in kinds], "env": environ},
    }
    paste = {"speculation": "annotated", **paste}
    config = write_config(tmp_path, servers, **paste)
    state = tmp_path / "state"
    async with through_stdio(config, state) as client:
        for _ in range(3):  # what comes again and again is learnt
            for whole, _ in kinds:
                result = await client.call_tool("f__echo", {"how": "fine", "nonce": whole})
                assert result.content[0].text == whole
        for whole, _ in kinds[:3]:
            for how in ("invalid UTF-8", "a text as an error", "noise"):
                with suppress(MCPError):
                    await client.call_tool("f__echo", {"how": how, "nonce": whole})
            with suppress(MCPError):
                await client.call_tool(f"f__{whole}", {"how": "fine", "nonce": whole, whole: whole})
    written = kept(state, [stderr_of(state)])
    assert any(name.endswith(".jsonl") for name in written)
    assert any(name.startswith("counts.sqlite") for name in written)
    found = [
        (kind, name) for kind, (_, secret) in given.items() for name, data in written.items() if secret.encode() in data
    ]
    assert found == []
    for path in state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_a_crash_shows_no_secret(tmp_path):
    """Also where a mistake in the configuration ends the proxy."""
    secret = some(40)
    config = write_config(tmp_path, {"f": {"url": "http://h/mcp", "headers": {"Authorization": f"Bearer {secret}\nx"}}})
    process = await anyio.run_process([*SERVE, "--config", str(config)], check=False)
    assert process.returncode == 2
    assert secret.encode() not in process.stderr
    assert b"Traceback" not in process.stderr
