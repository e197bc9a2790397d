"""Hypothesis profiles: `fast` by default, `deep` with HYPOTHESIS_PROFILE=deep. A failure prints a blob to replay it."""

import os

from hypothesis import settings

settings.register_profile("fast", deadline=None, derandomize=False, print_blob=True, max_examples=100)
settings.register_profile("deep", deadline=None, derandomize=False, print_blob=True, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
