"""The real proxy, foreseeing as one policy of the bench does: the process that `bench live` measures.

`python -m paste_mcp.live_proxy FOLDER PORT`, with what `lab/simulate/live_session.py` left in FOLDER.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import anyio

from paste_mcp import app
from paste_mcp.config import load_config
from paste_mcp.lab.simulate.live_session import CONFIG, FORESEEN, STATE, Foreseen


def main() -> None:
    """The program."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    foreseen: Foreseen = pickle.loads((folder / FORESEEN).read_bytes())  # noqa: S301 - our own, of a moment ago
    config = load_config(folder / CONFIG, {})
    proxy = app.build(config, [], folder / STATE, forecaster=foreseen.forecaster())
    anyio.run(app.serve, proxy, "http", app.listen("127.0.0.1", port))


if __name__ == "__main__":
    main()
