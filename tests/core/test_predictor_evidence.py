"""Written probabilities are corrected towards what happened, by how much evidence there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.prediction.evidence import MAX_PROBABILITY, PRIOR_WEIGHT, Counts, Evidence


def test_without_evidence_what_is_written_holds():
    evidence = Evidence()
    assert evidence.factor("p") == 1 and evidence.probability("p", 0.3) == 0.3


def test_the_factor_is_hits_over_expected_shrunk_to_one():
    evidence = Evidence({"p": Counts(expected=6.0, hits=1)})
    assert evidence.factor("p") == pytest.approx((PRIOR_WEIGHT + 1) / (PRIOR_WEIGHT + 6.0))


def test_misses_lower_it_and_hits_raise_it():
    evidence = Evidence()
    evidence.guessed("p", 0.5)
    lowered = evidence.factor("p")
    evidence.hit("p")
    assert lowered < 1 < evidence.factor("p")
    assert evidence.factor("other") == 1


def test_nothing_is_certain():
    evidence = Evidence({"p": Counts(0.0, 100)})
    assert evidence.probability("p", 0.9) == MAX_PROBABILITY


def test_a_pattern_that_is_always_wrong_loses_half_its_weight_within_a_dozen_guesses():
    evidence = Evidence()
    for _ in range(12):
        evidence.guessed("p", evidence.probability("p", 0.4))
    assert evidence.factor("p") <= 0.5


def test_corrected_probabilities_are_counted_as_written_ones():
    evidence = Evidence({"p": Counts(8.0, 0)})
    evidence.guessed("p", evidence.probability("p", 0.6))
    assert evidence.counts()["p"].expected == pytest.approx(8.6)


@given(st.floats(0.1, 0.6), st.floats(0.3, 1.5))
def test_the_predicted_rate_settles_at_the_true_one(written, ratio):
    """A pattern whose hits come `ratio` times as often as written is predicted at about that rate in the long run."""
    evidence = Evidence()
    owed = 0.0
    for _ in range(3_000):
        evidence.guessed("p", evidence.probability("p", written))
        owed += min(0.9, written * ratio)
        if owed >= 1:
            owed -= 1
            evidence.hit("p")
    assert evidence.probability("p", written) == pytest.approx(min(0.9, written * ratio), rel=0.1)


def test_counts_go_on_where_they_were_kept():
    evidence = Evidence()
    evidence.guessed("p", 0.5)
    evidence.hit("p")
    kept = evidence.counts()
    evidence.hit("p")
    assert kept == {"p": Counts(0.5, 1)}
    assert Evidence(kept).factor("p") == pytest.approx(5 / 4.5)
