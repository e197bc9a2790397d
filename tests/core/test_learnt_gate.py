"""The correction of learnt probabilities: nothing without evidence, better calibrated with it."""

import random

import pytest

from paste_mcp.core.prediction.learnt.gate import LEAST_HITS, Example, Gate


def examples(count, seed=1):
    """Guesses that all claim 0.5; those with the feature come true nine times in ten, the others one in ten."""
    chance = random.Random(seed)
    for _ in range(count):
        good = chance.random() < 0.5
        yield Example(0.5, (float(good), 1.0), chance.random() < (0.9 if good else 0.1))


def test_unfitted_it_changes_nothing():
    assert [Gate().probability(p, (1.0, 2.0)) for p in (0.01, 0.4, 0.95)] == [0.01, 0.4, 0.95]


def test_of_a_few_hits_only_their_number_is_evidence():
    gate = Gate()
    gate.fit([Example(0.5, (1.0,), True)] * (LEAST_HITS - 1) + [Example(0.5, (0.0,), False)] * 500)
    assert gate.probability(0.3, (1.0,)) == gate.probability(0.3, (0.0,)) < 0.03
    gate.fit([Example(0.5, (1.0,), True)] * (LEAST_HITS - 1) + [Example(0.5, (0.0,), False)] * (LEAST_HITS - 1))
    assert gate.probability(0.3, (1.0,)) == pytest.approx(0.3)


def test_features_that_tell_are_believed_as_far_as_they_tell():
    gate = Gate()
    gate.fit(examples(3_000))
    assert gate.probability(0.5, (1.0, 1.0)) == pytest.approx(0.9, abs=0.05)
    assert gate.probability(0.5, (0.0, 1.0)) == pytest.approx(0.1, abs=0.05)


def test_what_was_likelier_before_is_likelier_after():
    gate = Gate()
    gate.fit(examples(1_000))
    found = [gate.probability(p, (1.0, 1.0)) for p in (0.1, 0.3, 0.6, 0.9)]
    assert found == sorted(found)
    assert all(0 < p < 1 for p in found)


def test_a_claim_that_is_always_too_high_is_lowered():
    gate = Gate()
    chance = random.Random(3)
    gate.fit(Example(0.6, (chance.random(),), chance.random() < 0.2) for _ in range(2_000))
    assert gate.probability(0.6, (0.5,)) == pytest.approx(0.2, abs=0.04)


def test_fitting_again_forgets_the_earlier_fit():
    gate, fresh = Gate(), Gate()
    gate.fit(examples(500, seed=5))
    for each in (gate, fresh):
        each.fit(examples(500, seed=6))
    assert gate.probability(0.5, (1.0, 1.0)) == fresh.probability(0.5, (1.0, 1.0))


def test_extreme_features_and_probabilities_do_no_harm():
    gate = Gate()
    gate.fit([*examples(300), Example(0.0, (1e9, -1e9), True), Example(1.0, (-1e9, 1e9), False)])
    assert 0 <= gate.probability(1.0, (1e9, 1e9)) <= 1
