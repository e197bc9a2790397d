"""The dashboard in a real headless Chromium: what a user sees, clicks and hears read out, live."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the `browser` extra)")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium on this machine", allow_module_level=True)

T0 = time.time() - 3600
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATTERNS = """\
version: 1
patterns:
  # my own remark
  - name: mine
    context: [{tool: list}]
    target: {tool: get}
    probability: 0.5
"""


def lines(id, count):
    yield {"session": id, "opened": T0, "host": "an-agent", "modes": {"s": "annotated"}}
    for n in range(count):
        at = T0 + 10 * n
        yield {"session": id, "guess": n, "issued": at, "server": "s", "tool": "get", "pattern": "mine",
               "probability": 0.5}  # fmt: skip
        yield {"session": id, "guess": n, "state": "hit", "began": at, "ended": at + 2, "settled": at + 3,
               "hidden_s": 2.0}  # fmt: skip
        yield {"session": id, "n": n, "turn": n, "server": "s", "tool": "<b>get", "started": at + 3, "ended": at + 3.01,
               "answered": "hit", "guess": n, "hidden_s": 2.0, "eligible": True, "status": "ok"}  # fmt: skip


def write(state, id, count):
    (state / "sessions").mkdir(parents=True, exist_ok=True)
    path = state / "sessions" / f"{id}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines(id, count)))
    os.utime(path)


@pytest.fixture
def state(tmp_path):
    write(tmp_path, "first", 3)
    (tmp_path / "patterns.yaml").write_text(PATTERNS)
    (tmp_path / "audit").mkdir()
    told = [{"at": T0 + 3, "session": "first", "kind": kind, "server": "s", "tool": f"tool-{kind}", "guess": 1}
            for kind in ("demand", "speculation", "served")]  # fmt: skip
    (tmp_path / "audit" / "1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
    return tmp_path


@pytest.fixture
def address(state, unused_tcp_port_here):
    command = [sys.executable, "-m", "paste_mcp", "dashboard", "--port", str(unused_tcp_port_here), "--no-browser"]
    environ = {**os.environ, "PASTE_MCP_STATE_DIR": str(state)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture
def unused_tcp_port_here():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def opened(address, **options):
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(**options)
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(f"{address}")
        page.select_option("#days", "365")
        yield page
        browser.close()
        assert problems == []


def test_what_a_user_sees_and_changes(address, state):
    with opened(address) as page:
        expect = playwright.expect
        expect(page.get_by_role("heading", level=1)).to_contain_text("saved 6.0 s")
        expect(page.get_by_role("img", name="A session with paste-mcp")).to_be_visible()
        expect(page.locator("#picture b")).to_have_count(0)  # a tool's name is text, not markup
        # A pattern is turned off where it is written, and what else stands there stays.
        page.get_by_role("switch", name="mine on", exact=True).focus()
        page.keyboard.press("Space")
        expect(page.locator("#said")).to_contain_text("mine: off")
        text = (state / "patterns.yaml").read_text()
        assert "# my own remark" in text and "enabled: false" in text
        # The dial, by keyboard.
        page.get_by_label("How eager to run calls early").focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#said")).to_contain_text("Set.")
        assert json.loads((state / "dial.json").read_text()) == {"eagerness": 0.2}
        # The log, filtered.
        expect(page.locator("#audit tbody tr")).to_have_count(3)
        page.get_by_label("Kind").select_option("served")
        expect(page.locator("#audit tbody tr")).to_have_count(1)
        page.get_by_label("Words").fill("nothing has this")
        expect(page.locator("#audit tbody tr")).to_have_count(0)
        # And live.
        write(state, "second", 5)
        expect(page.locator("#sessions button")).to_have_count(2)
        expect(page.get_by_role("heading", level=1)).to_contain_text("16.0 s")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen_and_text_has_contrast(address, scheme):
    with opened(address, viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        playwright.expect(page.locator("#sessions button")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for name in ("--ink", "--soft", "--good"):
            assert page.evaluate(CONTRAST, name) >= 4.5, name


def test_without_the_token_the_page_says_what_to_do(address):
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(address.partition("?")[0])
        playwright.expect(page.get_by_role("alert")).to_contain_text("open the address that was printed")
        browser.close()


CONTRAST = """name => {
  const style = getComputedStyle(document.documentElement), of = name => {
    const text = style.getPropertyValue(name).trim().slice(1), each = text.length === 3 ? [...text].map(x => x + x) : text.match(/../g);
    const [r, g, b] = each.map(x => parseInt(x, 16) / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const [a, b] = [of(name), of("--card")].sort((x, y) => y - x);
  return (a + .05) / (b + .05);
}"""  # noqa: E501
"""WCAG 2.2, relative luminance."""
