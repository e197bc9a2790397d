"""Makes test output repeatable and short: the same workspace gives the same text.

Pure functions over text. They take out what differs from run to run although nothing changed (durations, throw-away
folders, object addresses); what a test prints of its own accord, such as the time of day, stays.
"""

import re
from collections.abc import Mapping

MAX_OUTPUT_CHARS = 20_000
CUT = "[earlier output left out]\n"
OUTCOME = r"Ran \d+ tests?|no tests ran|\d+ (?:passed|failed|errors?|skipped|xfailed|xpassed|warnings?|deselected)"
DURATION = re.compile(rf"^(.*\b(?:{OUTCOME})) in \d+\.\d+s(?: \(\d+:\d\d:\d\d\))?", re.MULTILINE)
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
TEMPORARY = re.compile(r"<tmp>/tmp\w{8}\b")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RULE = re.compile(r"^=+ (.*?) =+$", re.MULTILINE)


def repeatable(text: str, folders: Mapping[str, str]) -> str:
    """`text` without what is of this run only; `folders` maps a folder's path to what stands in its place."""
    text = ESCAPE.sub("", text.replace("\r\n", "\n"))
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(folder + "/", folders[folder] + "/" if folders[folder] != "." else "")
        text = text.replace(folder, folders[folder])
    text = RULE.sub(r"== \1 ==", text)  # padded to the width of a text that held a duration
    text = DURATION.sub(r"\1", text)
    return ADDRESS.sub("at 0x…", TEMPORARY.sub("<tmp>/tmp…", text))


def shortened(text: str) -> str:
    """The end of a long text, from a line's beginning: that is where test runners put their findings."""
    if len(text) <= MAX_OUTPUT_CHARS:
        return text
    tail = text[-MAX_OUTPUT_CHARS:]
    return CUT + tail[tail.find("\n") + 1 :]


def summary(text: str) -> str:
    """The runner's verdict in one line: pytest's last line, or unittest's count and result."""
    lines = [line.strip("= ") for line in text.splitlines() if line.strip("=- ")]
    if not lines:
        return "no output"
    counts = [line for line in lines if re.match(r"Ran \d+ tests?$", line)]
    by_unittest = counts and re.match(r"OK|FAILED|NO TESTS RAN", lines[-1])
    return f"{counts[-1]}: {lines[-1]}" if by_unittest else lines[-1]
