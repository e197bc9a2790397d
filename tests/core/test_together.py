"""Written patterns and learnt counts foresee as one."""

from paste_mcp.core.model import Prediction, ToolCall
from paste_mcp.core.prediction.together import MAX_PREDICTIONS, Together


class Foretells:
    """Foresees what it is told to, and notes what it hears."""

    def __init__(self, *predictions):
        self.predictions = list(predictions)
        self.heard = []

    def predict(self, history, tools, index):
        return self.predictions

    def observe(self, event, history, tools, index):
        self.heard.append(("saw", event))

    def guessed(self, prediction):
        self.heard.append(("guessed", prediction.pattern))

    def hit(self, prediction):
        self.heard.append(("hit", prediction.pattern))


def foreseen(tool, probability, pattern, *, learnt=False, users_own=False, **arguments):
    call = ToolCall("srv", tool, arguments)
    return Prediction(call, probability, pattern, users_own=users_own, features=(probability,) if learnt else ())


def patterns(together):
    return [(prediction.pattern, round(prediction.probability, 3)) for prediction in together.predict([], {}, None)]


def test_each_call_is_foreseen_once_by_whoever_is_surer():
    written = Foretells(foreseen("a", 0.3, "w1", x=1), foreseen("b", 0.5, "w2"))
    learnt = Foretells(foreseen("a", 0.4, "l1", learnt=True, x=1), foreseen("b", 0.2, "l2", learnt=True))
    assert patterns(Together(written, learnt)) == [("w2", 0.5), ("l1", 0.4)]


def test_the_users_own_word_wins():
    written = Foretells(foreseen("a", 0.1, "mine", users_own=True))
    learnt = Foretells(foreseen("a", 0.9, "l1", learnt=True))
    assert patterns(Together(written, learnt)) == [("mine", 0.1)]


def test_what_the_user_turned_off_is_silent():
    learnt = Foretells(foreseen("a", 0.9, "l1", learnt=True), foreseen("b", 0.5, "l2", learnt=True))
    assert patterns(Together(Foretells(), learnt, silenced=["l1"])) == [("l2", 0.5)]


def test_disappointments_lower_what_was_learnt_and_hits_raise_it():
    learnt = Foretells(foreseen("a", 0.5, "l1", learnt=True))
    together = Together(Foretells(), learnt)
    for _ in range(8):
        together.guessed(together.predict([], {}, None)[0])
    ((_, lowered),) = patterns(together)
    assert lowered < 0.35
    for _ in range(8):
        together.hit(learnt.predictions[0])
    ((_, raised),) = patterns(together)
    assert raised > 0.5


def test_credit_and_blame_go_to_whoever_foresaw():
    written, learnt = Foretells(), Foretells()
    together = Together(written, learnt)
    together.guessed(foreseen("a", 0.5, "w"))
    together.hit(foreseen("b", 0.5, "l", learnt=True))
    together.observe("event", [], {}, None)
    assert written.heard == [("guessed", "w"), ("saw", "event")]
    assert learnt.heard == [("hit", "l"), ("saw", "event")]


def test_no_more_is_foreseen_than_can_be_used():
    learnt = Foretells(*(foreseen("a", 0.5, "l", learnt=True, n=n) for n in range(100)))
    assert len(patterns(Together(Foretells(), learnt))) == MAX_PREDICTIONS
