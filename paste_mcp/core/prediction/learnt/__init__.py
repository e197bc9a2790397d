"""Foreseeing from what was seen: counts of what followed what and of where arguments came from.

`sights.py` indexes the values of one session, `texts.py` finds them in plain text, `origins.py` says where an argument
came from, `counts.py` holds what was learnt (sums only, so that they merge), `lessons.py` turns a call into counts,
`following.py` and `slots.py` read them as probabilities, `gate.py` calibrates, `forecast.py` puts whole calls together.
"""
