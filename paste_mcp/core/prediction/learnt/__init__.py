"""Foreseeing from what was seen: counts of what followed what and of where arguments came from.

`sights.py` indexes the values of one session and `memory.py` what its calls were given; `origins.py` says where an
argument came from, `lessons.py` and `recall.py` turn calls into `counts.py`, which are only sums, so that they merge.
`following.py`, `slots.py` and `zero_shot.py` read them as probabilities, `calls.py` puts whole calls together (a
`guess.py` each), `gate.py` corrects them by what became of earlier ones, and `forecast.py` is the forecaster.
`said.py` and `written.py` say what was learnt in the language of patterns.
"""
