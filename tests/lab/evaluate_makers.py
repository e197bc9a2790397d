"""Short ways to write recorded sessions, and forecasters that say what a test wants said."""

import json

from paste_mcp.core.model import Prediction, ToolCall
from paste_mcp.lab.evaluate.lessons import lesson_of
from paste_mcp.lab.evaluate.recording import Recording, guesses_after
from paste_mcp.store import traces


def call(tool, arguments=None, result="done", *, read=True, error=None, **more):
    """One call as a trace writes it, without its turn."""
    return {
        "tool": tool,
        "arguments": arguments or {},
        "result": result if result is None or isinstance(result, str) else json.dumps(result),
        "is_error": error,
        "read_only": read,
        "started": None,
        "ended": None,
        **more,
    }


def read(number, **more):
    """A read-only call, told apart by its number."""
    return call("s/read_it", {"n": number}, **more)


def write(number=0):
    return call("s/change_it", {"n": number}, read=False)


def session(*turns, id="one", task=None, model="m"):
    """A session as a line of a trace; each turn is a call or a list of calls that ran side by side."""
    calls = []
    for number, turn in enumerate(turns):
        calls += [each | {"turn": number} for each in (turn if isinstance(turn, list) else [turn])]
    return {"session": id, "task": task or id, "model": model, "source": "made", "calls": calls}


def lesson(*turns, **more):
    return lessons(session(*turns, **more))[0]


def lessons(*sessions):
    return [lesson_of(traces.session_of(json.dumps(each), "?")) for each in sessions]


def trace_file(path, *sessions):
    path.write_text("".join(json.dumps(each) + "\n" for each in sessions), encoding="utf-8")
    return path


def guess(tool, arguments=None, probability=0.9, **more):
    """A prediction of a call, by the tool's name as the trace writes it."""
    server, name = traces.split_name(tool)
    return Prediction(ToolCall(server, name, arguments or {}), probability, "test", **more)


def reading(number, probability=0.9):
    return guess("s/read_it", {"n": number}, probability)


def recorded(made, said):
    """A recording of `made` in which `said` (turn -> predictions) was foreseen."""
    recording = Recording(made)
    for turn in range(len(made.turns)):
        recording.turns.append(guesses_after(made, turn, said.get(turn, ())))
        recording.reads |= {(p.call.server, p.call.tool): True for p in said.get(turn, ())}
    return recording


class Saying:
    """A forecaster that says the same of every session: what `says(history)` gives."""

    def __init__(self, says):
        self._says = says

    def predict(self, history, tools, index):
        return self._says(history)

    def observe(self, event, history, tools, index):
        pass

    def guessed(self, prediction):
        pass

    def hit(self, prediction):
        pass


class Method:
    """A method of the evaluation that notes what it was taught."""

    name = "made"
    indexed = False

    def __init__(self, says):
        self.says = says
        self.taught = []

    def train(self, taught):
        self.taught.append({each.session for each in taught})
        return Saying(self.says)

    def session(self, forecaster):
        return forecaster
