"""Sessions of the past, out of the logs that lie on a user's disk: our own records, traces, Claude Code's and Codex's.

`logs.py` finds logs, tells their formats apart and reads any of them; one module for each format turns its lines into
sessions (`past.py`); `skeleton.py` stands in for the values that our records leave out.
"""
