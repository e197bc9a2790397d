"""Who learns from whom, how the threshold is found, and that nobody peeks at the test sessions."""

from dataclasses import replace
from hashlib import sha256

import pytest
from evaluate_makers import Method, Saying, call, lessons, read, reading, recorded, session, write

from paste_mcp.lab.evaluate import run
from paste_mcp.lab.evaluate.folds import apart, by_model, by_task, fold_of
from paste_mcp.lab.evaluate.judging import Asked, judge, records_of
from paste_mcp.lab.evaluate.play import NEVER
from paste_mcp.lab.evaluate.tally import tally
from paste_mcp.lab.evaluate.threshold import choose

FOLDS = 5
TASKS = [f"task {number}" for number in range(20)]
BOTH = lessons(
    *(session(read(0), read(1), id=f"{task} {model}", task=task, model=model) for task in TASKS for model in "ab")
)
ALL = tuple(range(len(BOTH)))


def tasks(numbers):
    return {BOTH[number].task for number in numbers}


def models(numbers):
    return {BOTH[number].model for number in numbers}


def test_a_tasks_fold_is_told_by_its_hash():
    assert [fold_of(task, 5) for task in TASKS] == [int(sha256(t.encode()).hexdigest(), 16) % 5 for t in TASKS]
    assert len({fold_of(task, 5) for task in TASKS}) == 5


def test_by_task_no_task_is_on_both_sides_and_each_session_is_tested_once():
    plans = by_task("x", BOTH, ALL, ALL, ALL, FOLDS)
    assert sorted(number for plan in plans for number in plan.test) == list(ALL)
    for plan in plans:
        assert not tasks(plan.test) & tasks(plan.knowledge)
        assert len(plan.nested) == FOLDS - 1
        for nested in plan.nested:
            assert nested.run and not tasks(nested.run) & tasks(nested.knowledge)
            assert not tasks(plan.test) & tasks((*nested.run, *nested.knowledge))


def test_apart_the_training_sessions_are_tuned_among_themselves():
    (plan,) = apart("x", BOTH, ALL[:30], ALL[30:])
    assert (plan.knowledge, plan.test) == (ALL[:30], ALL[30:])
    assert sorted(number for nested in plan.nested for number in nested.run) == list(ALL[:30])
    assert all(not tasks(nested.run) & tasks(nested.knowledge) for nested in plan.nested)


def test_by_model_the_other_models_runs_of_all_tasks_are_known():
    plans = by_model("x", BOTH, ALL, ALL, ALL, FOLDS)
    assert {plan.set for plan in plans} == {"x@a", "x@b"}
    assert sorted(number for plan in plans for number in plan.test) == list(ALL)
    for plan in plans:
        (tested,) = models(plan.test)
        assert plan.set == f"x@{tested}"
        assert tasks(plan.knowledge) == set(TASKS) and tested not in models(plan.knowledge)
        for nested in plan.nested:
            assert nested.knowledge == plan.knowledge and models(nested.run) == {tested}
            assert not tasks(nested.run) & tasks(plan.test)


def test_a_file_that_is_trained_on_is_tuned_on_itself_alone(tmp_path):
    files = {tmp_path / "one.jsonl": ALL[:20], tmp_path / "two.jsonl": ALL[20:]}
    material = run.Material(tuple(BOTH), files)
    planned = run.plans(material, list(files), [tmp_path / "two.jsonl"], run.Split(FOLDS))
    for plan in planned:
        assert {number for nested in plan.nested for number in nested.run} <= set(ALL[20:])
        assert {number for number in plan.knowledge if number < 20}


@pytest.mark.parametrize("by", ["task", "model"])
def test_where_nothing_is_known_of_other_models_that_is_told(tmp_path, by):
    single = [each for each in BOTH if each.model == "a"]
    material = run.Material(tuple(single), {tmp_path / "x.jsonl": tuple(range(len(single)))})
    paths = [tmp_path / "x.jsonl"]
    if by == "task":
        assert run.plans(material, paths, paths, run.Split(FOLDS, by))
    else:
        with pytest.raises(run.EvaluationError, match="--by model: training has no runs of other models"):
            run.plans(material, paths, paths, run.Split(FOLDS, by))


# --- thresholds ---------------------------------------------------------------------------------------------------

LIKELY, UNLIKELY = 0.7, 0.3


def says(history):
    """The right call, sure; and two wrong ones, less so."""
    last = history[-1].call.arguments["n"]
    return [reading(last + 1, LIKELY), reading(last + 100, UNLIKELY), reading(last + 200, UNLIKELY)]


def counting(first, *, length=6, **more):
    return session(*(read(first + number) for number in range(length)), **more)


def judged(plan, made, method=None, **asked):
    return judge(plan, method or Method(says), made, Asked(**asked))


def by_one_task(made):
    numbers = tuple(range(len(made)))
    return by_task("x", made, numbers, numbers, numbers, FOLDS)


COUNTING = lessons(*(counting(10 * number, id=task) for number, task in enumerate(TASKS)))


def test_the_threshold_keeps_the_good_and_leaves_the_bad():
    for plan in by_one_task(COUNTING):
        part = judged(plan, COUNTING, max_waste=0.5)
        assert UNLIKELY < part.threshold < LIKELY
        assert all(len(played.hits) == 5 and len(played.issued) == 6 for played in part.played)


def test_a_generous_user_gets_no_more_waste_than_brings_hits():
    part = judged(by_one_task(COUNTING)[0], COUNTING, max_waste=100)
    assert part.threshold > UNLIKELY


def test_the_threshold_keeps_within_the_waste_and_uses_it():
    made = lessons(*(session(*(read(n) for n in range(11)), id=task) for task in TASKS[:2]))
    half = [recorded(each, {t: [reading(t + 1 if t % 2 else 99 + t, 0.5)] for t in range(10)}) for each in made]
    assert (tally(half, 0.4, 1).issued, tally(half, 0.4, 1).hits) == (20, 10)
    assert choose(half, 1, max_waste=0.9) == NEVER
    assert 0.4 < choose(half, 1, max_waste=1) < 0.5


def test_what_holds_for_most_drawings_of_the_tasks_is_chosen():
    """One task in four is full of wrong guesses: without it, as often as not, all would be well."""
    made = lessons(*(session(*(read(n) for n in range(11)), id=task) for task in TASKS[:4]))
    right = {t: [reading(t + 1, 0.5 + t / 100)] for t in range(10)}
    wrong = {t: [reading(99 + t, 0.5 + t / 100)] for t in range(10)}
    runs = [recorded(each, wrong if number == 0 else right) for number, each in enumerate(made)]
    assert choose(runs, 1, max_waste=0.5) < 0.51
    assert choose(runs, 1, max_waste=0.2) == NEVER
    assert choose(runs, 1, max_waste=0.5) == choose(runs[::-1], 1, max_waste=0.5)


def test_where_no_threshold_keeps_within_the_waste_nothing_is_issued():
    def wrong(history):
        right, *others = says(history)
        return [*others, right] if history[-1].turn == 3 else others

    part = judged(by_one_task(COUNTING)[0], COUNTING, Method(wrong), max_waste=1)
    assert part.threshold == NEVER and not any(played.issued for played in part.played)


def test_a_few_lucky_hits_are_no_reason_to_guess():
    few = lessons(*(counting(0, length=2, id=task) for task in TASKS[:4]))
    part = judge(apart("x", few, (0, 1, 2, 3), (0,))[0], Method(says), few, Asked())
    assert part.threshold == NEVER


def test_the_threshold_does_not_see_the_test_sessions():
    for number, plan in enumerate(by_one_task(COUNTING)):
        changed = list(COUNTING)
        for tested in plan.test:
            changed[tested] = lessons(
                session(*(call("s/other", {"n": n}) for n in range(9)), id="other", task=COUNTING[tested].task)
            )[0]
        method = Method(says)
        assert judged(plan, changed, method).threshold == judged(plan, COUNTING).threshold, number
        assert all("other" not in taught for taught in method.taught)


class Calibrated(Method):
    """Notes what it is calibrated with; each forecaster says half of what it said before, once calibrated."""

    def __init__(self, says):
        super().__init__(says)
        self.records = []

    def train(self, taught):
        forecaster = super().train(taught)
        forecaster.knows = self.taught[-1]
        return forecaster

    def calibrate(self, forecaster, records):
        self.records.append((forecaster.knows, records))
        forecaster._says = lambda history: [reading(p.call.arguments["n"], p.probability / 2) for p in says(history)]

    def probability(self, forecaster, prediction):
        return prediction.probability / 2


def test_calibration_is_out_of_fold_and_the_threshold_is_of_calibrated_guesses():
    plan = by_one_task(COUNTING)[0]
    method = Calibrated(says)
    part = judged(plan, COUNTING, method, max_waste=0.5)
    assert UNLIKELY / 2 < part.threshold < LIKELY / 2
    *inner, (knowledge, last) = method.records
    tested = {COUNTING[number].session for number in plan.test}
    runs = [{COUNTING[number].session for number in nested.run} for nested in plan.nested]
    assert knowledge == set().union(*runs) == {record.session for record in last}
    for (known, records), run_now in zip(inner, runs, strict=True):
        used = {record.session for record in records}
        assert used == set().union(*runs) - run_now, "calibrated without the run that the threshold is chosen on"
        assert not known & (run_now | tested)
    assert not tested & {record.session for record in last}


class Turned(Method):
    """Says its best guess last, and learns from calibration that it is the best."""

    def train(self, taught):
        super().train(taught)
        return Saying(lambda history: [opposite(each) for each in reversed(says(history))])

    def calibrate(self, forecaster, records):
        forecaster._says = says

    def probability(self, forecaster, prediction):
        return opposite(prediction).probability


def opposite(prediction):
    return replace(prediction, probability=1 - prediction.probability)


def test_calibrated_guesses_are_ranked_anew():
    part = judged(by_one_task(COUNTING)[0], COUNTING, Turned(says), top=1, max_waste=0.5)
    assert UNLIKELY < part.threshold < LIKELY


def test_records_say_what_came_of_each_guess():
    method = Calibrated(says)
    judged(by_one_task(COUNTING)[0], COUNTING, method)
    records = method.records[-1][1]
    one = [record for record in records if record.session == records[0].session]
    assert [(r.turn, r.rank, r.came) for r in one if r.rank < 2] == [
        each for turn in range(6) for each in ((turn, 0, turn < 5), (turn, 1, False))
    ]
    assert {record.prediction.probability for record in one} == {LIKELY, UNLIKELY}


def test_a_guess_that_is_held_is_marked_as_said_again():
    said = {turn: [reading(99)] for turn in range(8)}
    kept = recorded(lessons(session(*(read(n) for n in range(9))))[0], said)
    assert [each.again for each in records_of(kept)] == [False, *[True] * 5, False, True]
    dropped = recorded(lessons(session(read(0), read(1), write(), read(2)))[0], {t: [reading(9)] for t in range(4)})
    assert [each.again for each in records_of(dropped)] == [False, True, False, True]


class Learning(Method):
    """Foresees only calls it saw in other sessions, or in this one."""

    def __init__(self, *, online):
        super().__init__(None)
        self.online = online

    def train(self, taught):
        super().train(taught)
        return Remembering({each.session for each in taught})

    def session(self, forecaster):
        return forecaster if self.online else Remembering(set(forecaster.seen))


class Remembering:
    def __init__(self, seen):
        self.seen = seen

    def predict(self, history, tools, index):
        return [reading(len(self.seen))]

    def observe(self, event, history, tools, index):
        self.seen.add(("call", event.call.arguments["n"]))

    def guessed(self, prediction):
        pass

    hit = guessed


@pytest.mark.parametrize("online", [True, False])
def test_one_tested_session_is_known_in_the_next_only_online(online):
    made = lessons(counting(0, length=3, id="a"), counting(0, length=3, id="b"), counting(50, length=3, id="c"))
    (plan,) = apart("x", made, (), (0, 1, 2))
    part = judge(plan, Learning(online=online), made, Asked())
    known = [
        [guess.prediction.call.arguments["n"] for turn in each.turns for guess in turn] for each in part.recordings
    ]
    assert known == ([[1, 2, 3], [3, 3, 3], [4, 5, 6]] if online else [[1, 2, 3]] * 3)


def test_online_what_one_run_taught_is_not_known_in_another():
    made = lessons(*(counting(10 * number, id=task) for number, task in enumerate(TASKS[:8])))
    method = Learning(online=True)
    plan = by_one_task(made)[0]
    judge(plan, method, made, Asked())
    assert len(method.taught) == len(plan.nested) + 1, "each run begins from training anew"
