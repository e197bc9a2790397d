"""What comes next: from a session's events to ranked, whole calls.

`predictor.py` matches and ranks, `evidence.py` corrects the probabilities by what happened, `fits.py` holds a call
against its tool's schema. Nothing here asks whether a call is safe or worth its cost.
"""
