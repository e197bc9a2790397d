"""Speculation measured on recorded sessions: the real engine and budget on simulated time, and the same again live.

`times.py` how long things take, drawn from a seed; `clock.py` simulated time; `servers.py` servers with slots, queues
and rate limits; `agent.py` one session of the agent through an engine of its own; `world.py` all sessions side by side;
`policies.py` the ways of foreseeing that are compared; `figures.py` what is counted, with intervals; `report.py` how it
is shown; `run.py` all of it. `synthetic.py` makes a workload of repeated workflows, `scale.py` times the scheduler's
decisions.
"""
