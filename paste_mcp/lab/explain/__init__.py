"""Why a recorded session's calls were foreseen, or what it would have taken: `replay.py` lets the session pass again
before what is known now, `origins.py` says where a value came from, `verdicts.py` what became of each call, `show.py`
shows it.
"""
