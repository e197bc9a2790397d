"""What a method foresaw after each turn of a session, kept so that the cheap part can be run again at any threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import thread_time_ns

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Event, Prediction, Tool
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Forecaster, Tools
from paste_mcp.lab.evaluate.lessons import Lesson, Reads, ToolKey, key_of, meet, tool_of
from paste_mcp.lab.evaluate.play import NEVER, PREDICTION, TURNS_GOOD, Gate, Played, Rules, play


@dataclass(frozen=True, slots=True)
class Guess:
    """A call that was foreseen, and whether it came in time."""

    prediction: Prediction
    key: CallKey | None
    came: bool
    """It was demanded within the turns that a guess is good for, and before any call that is not read-only."""


@dataclass(slots=True)
class Recording:
    """One session under one method. Only guesses of tools that were not seen to write are kept."""

    lesson: Lesson
    turns: list[list[Guess]] = field(default_factory=list)
    """After each turn, best first."""
    reads: dict[ToolKey, bool] = field(default_factory=dict)
    """Of the tools known before the session those that it calls or was guessed to call."""
    predict_ns: list[int] = field(default_factory=list)
    index_ns: list[int] = field(default_factory=list)


def record(lesson: Lesson, forecaster: Forecaster, tools: Reads, *, indexed: bool = True) -> Recording:
    """Let `forecaster` foresee one session, issuing nothing. `tools` are those known from training."""
    recorder = _Recorder(forecaster, lesson, tools)
    played = play(lesson, recorder, Gate(NEVER, top=1), tools, PREDICTION, indexed=indexed)
    recording = recorder.recording
    recording.index_ns = [
        whole - learning for whole, learning in zip(played.observe_ns, recorder.learning_ns, strict=True)
    ]
    met = {_tool_key(guess.prediction) for turn in recording.turns for guess in turn} | lesson.names.keys()
    recording.reads = {key: reads for key, reads in tools.items() if key in met}
    return recording


def replay(recording: Recording, threshold: float, top: int, rules: Rules = PREDICTION) -> Played:
    """The engine once more over what was recorded, issuing the `top` guesses a turn that are surer than `threshold`."""
    forecaster = _Replayer(recording, keep_origins=not rules.by_call)
    return play(recording.lesson, forecaster, Gate(threshold, top), recording.reads, rules, indexed=False)


def guesses_after(lesson: Lesson, turn: int, predictions: Iterable[Prediction]) -> list[Guess]:
    """Predictions made after this turn, marked with whether they came true."""
    coming = {lesson.keys[position] for position in answerable(lesson, turn)} - {None}
    keyed = ((prediction, key_of(prediction.call)) for prediction in predictions)
    return [Guess(prediction, key, key in coming) for prediction, key in keyed]


def answerable(lesson: Lesson, turn: int) -> Iterator[int]:
    """The calls that a guess made after `turn` could answer, in their order."""
    for calls in lesson.turns[turn + 1 : turn + 1 + TURNS_GOOD]:
        for position in calls:
            if not lesson.reads[position]:
                return
            yield position


def _tool_key(prediction: Prediction) -> ToolKey:
    return prediction.call.server, prediction.call.tool


class _Recorder:
    """Hands everything to another forecaster, with the tools as their servers describe them, and notes its words."""

    def __init__(self, inner: Forecaster, lesson: Lesson, tools: Reads) -> None:
        self.recording = Recording(lesson)
        self.learning_ns: list[int] = []
        self._inner = inner
        self._known = dict(tools)
        self._tools: dict[ToolKey, Tool] = {key: tool_of(key, reads) for key, reads in tools.items()}
        self._met = -1

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        lesson, turn = self.recording.lesson, history[-1].turn
        self._meet(turn)
        began = thread_time_ns()
        predictions = self._inner.predict(history, self._tools, index)
        self.recording.predict_ns.append(thread_time_ns() - began)
        held = [each for each in predictions if self._known.get(_tool_key(each), False)]
        self.recording.turns += [[]] * (turn - len(self.recording.turns))
        self.recording.turns.append(guesses_after(lesson, turn, held))
        return predictions

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        self._meet(event.turn)
        began = thread_time_ns()
        self._inner.observe(event, history, self._tools, index)
        self.learning_ns.append(thread_time_ns() - began)

    def guessed(self, prediction: Prediction) -> None:
        self._inner.guessed(prediction)

    def hit(self, prediction: Prediction) -> None:
        self._inner.hit(prediction)

    def _meet(self, turn: int) -> None:
        """Tools are met when they are called, a whole turn at once, as the engine meets them."""
        if turn == self._met:
            return
        self._met = turn
        calls = self.recording.lesson.turns[turn]
        meet(self._known, self.recording.lesson, calls)
        for position in calls:
            call = self.recording.lesson.events[position].call
            key = (call.server, call.tool)
            self._tools[key] = tool_of(key, self._known[key])


class _Replayer:
    """Says again what was recorded, and learns nothing."""

    def __init__(self, recording: Recording, *, keep_origins: bool) -> None:
        self._recording = recording
        self._keep_origins = keep_origins

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        turns = self._recording.turns
        turn = history[-1].turn
        said = [guess.prediction for guess in (turns[turn] if turn < len(turns) else ())]
        return said if self._keep_origins else [_without_origins(prediction) for prediction in said]

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        pass

    def guessed(self, prediction: Prediction) -> None:
        pass

    def hit(self, prediction: Prediction) -> None:
        pass


def _without_origins(prediction: Prediction) -> Prediction:
    """Where values came from is a question of safety, which is not asked when prediction alone is measured."""
    return Prediction(prediction.call, prediction.probability, prediction.pattern)
