"""Boosted trees: what they find in examples, and what they leave alone."""

import random

import pytest

from paste_mcp.core.prediction.learnt.trees import BINS, FEWEST, grow


def chance(score):
    return 1 / (1 + 2.718281828**-score)


def said(trees, row):
    return chance(trees.score(row))


def test_one_feature_that_counts_only_beside_another_is_found():
    draw = random.Random(1)
    rows = [(float(draw.random() < 0.5), float(draw.random() < 0.5), draw.random()) for _ in range(1_000)]
    trees = grow(rows, [row[0] == row[1] == 1.0 for row in rows], [1.0] * len(rows))
    assert said(trees, (1.0, 1.0, 0.5)) > 0.9
    assert max(said(trees, (a, b, 0.5)) for a, b in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0))) < 0.1


def test_a_number_is_cut_where_the_answers_change():
    rows = [(n / 1_000,) for n in range(1_000)]
    trees = grow(rows, [row[0] > 0.7 for row in rows], [1.0] * len(rows))
    width = 1 / BINS
    assert said(trees, (0.7 - width,)) < 0.2
    assert said(trees, (0.7 + width,)) > 0.8


def test_with_nothing_to_tell_them_apart_all_rows_get_the_usual_share():
    trees = grow([(1.0, 2.0)] * 100, [n < 25 for n in range(100)], [1.0] * 100)
    assert said(trees, (1.0, 2.0)) == said(trees, (9.0, -9.0)) == pytest.approx(0.25)


def test_a_row_that_stands_for_several_counts_as_often():
    rows = [(0.0,)] * 60 + [(1.0,)] * 60
    answers = [n % 2 == 0 for n in range(120)]
    trees = grow(rows, answers, [3.0 if answer else 1.0 for answer in answers])
    assert said(trees, (0.0,)) == pytest.approx(0.75)


def test_a_few_rows_are_no_side_of_a_split():
    few = FEWEST - 1
    rows = [(0.0,)] * few + [(1.0,)] * 200
    trees = grow(rows, [n < few or n % 2 == 0 for n in range(len(rows))], [1.0] * len(rows))
    assert said(trees, (0.0,)) == said(trees, (1.0,))
