"""How well whole calls are foreseen, measured on recorded sessions by feeding them to the real engine.

`lessons.py` a session as events; `play.py` drives the engine through one; `recording.py` what a method foresaw after
each turn, kept so that thresholds can be tried cheaply; `folds.py` who may learn from whom; `threshold.py` how sure is
sure enough; `judging.py` one fold from training to guesses; `figures.py`, `ceilings.py`, `misses.py` what is counted;
`report.py` how it is shown; `run.py` all of it. `methods.py` is where a way of foreseeing is plugged in.
"""
