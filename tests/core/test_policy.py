"""The decision table: what the user said and what a tool says of itself, to eligible or refused and why."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.model import Hints, Ingredient, Prediction, Review, Tool, ToolCall
from paste_mcp.core.speculation.policy import REFUSALS, decide, decide_tool, looks_read, provably_read
from paste_mcp.core.speculation.screens import suspicion
from paste_mcp.core.speculation.settings import ServerPolicy

READ = Hints(read_only=True, open_world=False)
TRUSTED = ServerPolicy(mode="annotated")


def tool(name="read_file", hints=READ, **properties):
    return Tool("a", name, hints, {"type": "object", "properties": properties})


def call(name="read_file", *ingredients, **more):
    return Prediction(ToolCall("a", name, {}), 0.9, "p", tuple(ingredients), **more)


def policy(mode="annotated", **more):
    return ServerPolicy(mode=mode, **more)


CONST = Ingredient("const")
OWN_RESULT = Ingredient("result", "a", 0)
OWN_ARGUMENT = Ingredient("argument", "a", 0)
FOREIGN_RESULT = Ingredient("result", "b", 0)
FOREIGN_ARGUMENT = Ingredient("argument", "b", 0)
FLOW = frozenset({("b", "a")})

TOOL_TABLE = [
    # who the user trusts
    (policy("off"), tool(), "off"),
    (policy("off", allow=("*",)), tool(), "off"),
    (policy("shadow"), tool(), "annotated"),
    (policy("annotated"), tool(), "annotated"),
    (policy("listed"), tool(), "unlisted"),
    (policy("listed", allow=("read_*",)), tool(), "named"),
    (policy("listed", allow=("READ_*",)), tool(), "unlisted"),
    # deny beats allow, and is asked before all else but `off`
    (policy(deny=("read_file",)), tool(), "denied"),
    (policy(deny=("read_*",), allow=("read_file",)), tool(), "denied"),
    (policy("listed", deny=("*",), allow=("*",)), tool(), "denied"),
    (policy(deny=("*",)), tool(hints=Hints(read_only=False)), "denied"),
    # an explicit readOnlyHint: false
    (policy(), tool(hints=Hints(read_only=False, open_world=False)), "write"),
    (policy(allow=("*",)), tool(hints=Hints(read_only=False, idempotent=True)), "write"),
    (policy("listed", allow=("read_file",), closed_world=True), tool(hints=Hints(read_only=False)), "write"),
    (policy("shadow"), tool(hints=Hints(read_only=False)), "write"),
    # no hint
    (policy(), tool(hints=Hints()), "unhinted"),
    (policy(closed_world=True), tool(hints=Hints(open_world=False)), "unhinted"),
    (policy(allow=("read_file",)), tool(hints=Hints()), "named"),
    # worlds
    (policy(), tool(hints=Hints(read_only=True)), "world unknown"),
    (policy(closed_world=True), tool(hints=Hints(read_only=True)), "annotated"),
    (policy(), tool(hints=Hints(read_only=True, open_world=True)), "open world"),
    (policy(closed_world=True), tool(hints=Hints(read_only=True, open_world=True)), "open world"),
    (policy(allow=("read_file",)), tool(hints=Hints(read_only=True, open_world=True)), "named"),
    # screens
    (policy(), tool("delete_file"), "suspect"),
    (policy("shadow"), tool("delete_file"), "suspect"),
    (policy("listed"), tool("delete_file"), "suspect"),
    (policy(allow=("delete_file",)), tool("delete_file"), "named"),
    (policy(), tool(hints=Hints(read_only=True, destructive=True, open_world=False)), "suspect"),
    # calls that the user wants to be asked about: `allow` is no consent to each of them
    (policy(approval=("read_*",)), tool(), "approval"),
    (policy("listed", approval=("*",), allow=("read_file",)), tool(), "approval"),
    (policy(approval=("write_*",)), tool(), "annotated"),
    # repeatable, or not
    (policy(), tool(hints=replace(READ, idempotent=False)), "not repeatable"),
    (policy(), tool(hints=replace(READ, idempotent=True)), "annotated"),
    (policy(allow=("read_file",)), tool(hints=replace(READ, idempotent=False)), "named"),
    # cost
    (policy(cost="metered"), tool(), "metered"),
    (policy(cost="unknown"), tool(), "cost unknown"),
    (policy(cost="metered", allow=("read_file",)), tool(), "named"),
    (policy(cost="unknown", allow=("read_file",)), tool(), "named"),
]


def reviewed(kind="read", *, sure=True, hints=READ, name="read_file", **more):
    return replace(tool(name, hints), review=Review(kind, sure=sure, **more))


REVIEW_TABLE = [
    # an entry lets a tool through only where the user trusts the server
    (policy(), reviewed(hints=Hints(open_world=False)), "reviewed"),
    (policy("listed"), reviewed(hints=Hints(open_world=False)), "unlisted"),
    (policy("off"), reviewed(), "off"),
    (policy(), reviewed(hints=Hints(open_world=False), name="delete_file"), "reviewed"),
    (policy(), reviewed(hints=Hints(), closed_world=True), "reviewed"),
    (policy(), reviewed(hints=Hints()), "world unknown"),
    # one that may be of another server or another release lets nothing through
    (policy(), reviewed(hints=Hints(open_world=False), sure=False), "unhinted"),
    (policy(), reviewed(hints=Hints(read_only=True), closed_world=True, sure=False), "world unknown"),
    (policy(), reviewed(name="delete_file", sure=False), "suspect"),
    # a live hint narrows an entry
    (policy(), reviewed(hints=Hints(read_only=False)), "write"),
    (policy(allow=("*",)), reviewed(hints=Hints(read_only=False)), "write"),
    (policy(), reviewed(hints=Hints(destructive=True, open_world=False)), "suspect"),
    (policy(), reviewed(hints=Hints(open_world=True), closed_world=True), "open world"),
    (policy(), reviewed(hints=replace(READ, idempotent=False)), "not repeatable"),
    # and never widens one, sure of it or not
    *[
        (policy(), reviewed(kind, sure=sure), "known")
        for kind in ("write", "depends", "volatile", "consuming", "session-creating", "secret")
        for sure in (True, False)
    ],
    (policy(), reviewed(metered=True), "metered"),
    (policy(), reviewed(metered=True, sure=False), "metered"),
    # a glob is no word on a tool that is known to do harm; its own name is
    (policy(allow=("*",)), reviewed("write"), "known"),
    (policy(allow=("read_file",)), reviewed("write"), "named"),
    (policy(allow=("read_file",), deny=("read_file",)), reviewed("write"), "denied"),
    (policy(allow=("*",)), reviewed(metered=True), "named"),
]


ELIGIBLE = ("annotated", "named", "reviewed")


@pytest.mark.parametrize(("said", "subject", "row"), TOOL_TABLE + REVIEW_TABLE)
def test_a_tool_is_decided_by_the_first_row_that_holds(said, subject, row):
    decision = decide_tool(said, subject)
    assert decision.row == row
    assert decision.eligible is (row in ELIGIBLE)
    assert decision.reason


@pytest.mark.parametrize(("kind", "read"), [("write", False), ("depends", False), ("consuming", False),
    ("session-creating", False), ("volatile", True), ("secret", True), ("read", True)])  # fmt: skip
def test_a_demand_of_a_tool_known_to_change_something_counts_as_a_write_whatever_it_says(kind, read):
    assert provably_read(policy(), reviewed(kind)) is read
    assert looks_read(reviewed(kind)) is read


def sends(**arguments):
    return Prediction(ToolCall("a", "read_file", arguments), 0.9, "p", (OWN_RESULT,))


@pytest.mark.parametrize(
    ("said", "arguments", "row"),
    [
        (policy(), {"url": "https://example.com/page"}, "annotated"),
        (policy(), {"url": "http://169.254.169.254/latest/meta-data"}, "stray host"),
        (policy(allow=("read_file",)), {"deep": [{"target": "http://10.0.0.1/"}]}, "stray host"),
        (policy(hosts=("*.example.com",)), {"url": "https://docs.example.com/"}, "annotated"),
        (policy(hosts=("*.example.com",)), {"url": "https://example.org/"}, "stray host"),
        (policy(hosts=("localhost",)), {"url": "http://localhost:3000/"}, "annotated"),
        (policy(hosts=("*",)), {"url": "http://a@b/"}, "stray host"),
        (policy(hosts=()), {"path": "/etc/hosts"}, "annotated"),
    ],
)
def test_an_address_in_a_guess_must_be_public_or_on_the_users_list(said, arguments, row):
    assert decide(said, tool(), sends(**arguments)).row == row


HEADED = replace(tool(), input_schema={"properties": {"tenant": {"type": "string", "x-mcp-header": "Tenant"}}})


@pytest.mark.parametrize(
    ("subject", "arguments", "source", "row"),
    [
        (HEADED, {"tenant": "a"}, OWN_RESULT, "header"),
        (HEADED, {"tenant": "a"}, Ingredient("learnt"), "header"),
        (HEADED, {"tenant": "a"}, OWN_ARGUMENT, "annotated"),
        (HEADED, {"other": "a"}, OWN_RESULT, "annotated"),
        (tool(), {"path": "-rf"}, OWN_RESULT, "odd value"),
        (tool(), {"paths": ["a", "../b"]}, OWN_RESULT, "odd value"),
        (tool(), {"path": "a\\..\\b"}, OWN_RESULT, "odd value"),
        (tool(), {"path": "..."}, OWN_RESULT, "annotated"),
        (tool(), {"offset": "-12.5"}, OWN_RESULT, "annotated"),
        (tool(), {"path": "-rf"}, OWN_ARGUMENT, "annotated"),
        (tool(), {"path": "../a"}, CONST, "annotated"),
    ],
)
def test_a_value_that_was_found_goes_into_no_header_no_option_and_out_of_no_folder(subject, arguments, source, row):
    prediction = Prediction(ToolCall("a", "read_file", arguments), 0.9, "p", (source,))
    said = policy(history=True)
    assert decide(said, subject, prediction).row == row


def test_a_text_learnt_from_an_earlier_session_needs_the_users_word():
    learnt = call("read_file", Ingredient("learnt"))
    assert decide(policy(), tool(), learnt).row == "learnt text"
    assert decide(policy(allow=("read_file",)), tool(), learnt).row == "learnt text"
    assert decide(policy(history=True), tool(), learnt).eligible


OPEN = Hints(read_only=True, open_world=True)
SILENT = Hints(read_only=True)
NAMED = policy(allow=("read_file",))

CALL_TABLE = [
    # closed world: what the server knows already
    (TRUSTED, READ, call("read_file"), "annotated"),
    (TRUSTED, READ, call("read_file", CONST, OWN_RESULT, OWN_ARGUMENT), "annotated"),
    (TRUSTED, READ, call("read_file", OWN_RESULT, composed=True), "annotated"),
    # what another server said
    (TRUSTED, READ, call("read_file", FOREIGN_RESULT), "foreign value"),
    (TRUSTED, READ, call("read_file", OWN_RESULT, FOREIGN_ARGUMENT), "foreign value"),
    (TRUSTED, READ, call("read_file", FOREIGN_RESULT, users_own=True), "foreign value"),
    (TRUSTED, READ, call("read_file", FOREIGN_RESULT, flows=FLOW), "annotated"),
    (TRUSTED, READ, call("read_file", FOREIGN_RESULT, flows=frozenset({("a", "b")})), "foreign value"),
    (TRUSTED, READ, call("read_file", FOREIGN_RESULT, Ingredient("result", "c", 0), flows=FLOW), "foreign value"),
    # never into an open world, named or not, by flow or not
    (NAMED, OPEN, call("read_file", OWN_RESULT), "named"),
    (NAMED, OPEN, call("read_file", FOREIGN_RESULT, flows=FLOW), "foreign value"),
    (NAMED, OPEN, call("read_file", FOREIGN_RESULT, flows=FLOW, users_own=True), "foreign value"),
    (NAMED, SILENT, call("read_file", FOREIGN_RESULT, flows=FLOW), "foreign value"),
    (replace(NAMED, closed_world=True), SILENT, call("read_file", FOREIGN_RESULT, flows=FLOW), "named"),
    # composed values
    (NAMED, OPEN, call("read_file", OWN_RESULT, composed=True), "composed value"),
    (NAMED, SILENT, call("read_file", OWN_RESULT, composed=True), "composed value"),
    (NAMED, OPEN, call("read_file", OWN_RESULT, composed=True, users_own=True), "named"),
    (replace(NAMED, closed_world=True), SILENT, call("read_file", OWN_RESULT, composed=True), "named"),
]


@pytest.mark.parametrize(("said", "hints", "prediction", "row"), CALL_TABLE)
def test_a_call_is_decided_by_where_its_values_come_from(said, hints, prediction, row):
    decision = decide(said, tool(hints=hints), prediction)
    assert (decision.row, decision.eligible) == (row, row in ELIGIBLE)


STAYS = Hints(read_only=True, open_world=False)


@pytest.mark.parametrize(
    ("hints", "prediction", "row"),
    [
        (STAYS, call("read_file", OWN_RESULT), "annotated"),
        (STAYS, call("read_file", FOREIGN_RESULT, flows=FLOW), "unconfirmed value"),
        (OPEN, call("read_file", OWN_RESULT), "unconfirmed value"),
        (OPEN, call("read_file", CONST), "named"),
    ],
)
def test_what_a_guess_brought_goes_back_to_its_own_server_only(hints, prediction, row):
    said = NAMED if hints is OPEN else TRUSTED
    supposed = next(i.event for i in (OWN_RESULT, FOREIGN_RESULT) if i.event is not None)
    assert decide(said, tool(hints=hints), prediction, supposed=supposed).row == row


@pytest.mark.parametrize("mode", ["shadow", "annotated", "listed"])
def test_a_barred_tool_is_refused_even_if_the_user_named_it(mode):
    decision = decide_tool(policy(mode, allow=("*",)), tool(), "it asked the user something")
    assert (decision.row, decision.reason, decision.remedy) == ("barred", "it asked the user something", None)


@pytest.mark.parametrize("row", ["write", "barred", "foreign value", "composed value"])
def test_some_refusals_have_no_remedy(row):
    assert next(remedy for name, _, remedy, _ in REFUSALS if name == row) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("delete_file", "delete"),
        ("deleteFile", "delete"),
        ("file-delete", "delete"),
        ("FileDELETE", "delete"),
        ("HTTPPost", "post"),
        ("get_and_delete", "delete"),
        ("readAndClear", "clear"),
        ("mark_read", "mark"),
        ("queue.receive", "receive"),
        ("browser_navigate", "navigate"),
        ("run_tests", "run"),
    ],
)
def test_a_write_verb_in_the_name_is_suspect(name, said):
    assert suspicion(tool(name)) == f'its name says "{said}"'


@pytest.mark.parametrize(
    "name",
    ["get_commit", "list_pull_requests_to_merge", "searchPosts", "read_update", "file_info", "issue", "", "settings"],
)
def test_a_write_word_after_a_read_verb_or_inside_a_word_is_a_noun(name):
    assert suspicion(tool(name)) is None


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"sql": {"type": "string"}}, 'it takes code ("sql")'),
        ({"command": {}}, 'it takes code ("command")'),
        ({"Script": True}, 'it takes code ("Script")'),
        ({"output_path": {}}, 'it may write a file ("output_path")'),
        ({"outputPath": {}}, 'it may write a file ("outputPath")'),
        ({"saveTo": {}}, 'it may write a file ("saveTo")'),
        ({"action": {"enum": ["list", "delete"]}}, '"action" can be "delete"'),
        ({"op": {"enum": ["get", "removeAll"]}}, '"op" can be "removeAll"'),
    ],
)
def test_an_argument_that_could_write_is_suspect(properties, why):
    assert suspicion(tool(**properties)) == why
    assert decide_tool(TRUSTED, tool(**properties)).reason == why


@pytest.mark.parametrize(
    "properties",
    [
        {"path": {"type": "string"}},
        {"commands_seen": {}},
        {"order": {"enum": ["newest", "last update"]}},
        {"action": {"enum": [1, None, {"a": 1}]}},
        {"action": {"enum": "delete"}},
    ],
)
def test_an_honest_argument_is_not_suspect(properties):
    assert suspicion(tool(**properties)) is None


@pytest.mark.parametrize("schema", [{}, {"properties": None}, {"properties": ["sql"]}, {"properties": {"x": None}}])
def test_an_odd_schema_is_no_reason_to_fall_over(schema):
    assert suspicion(Tool("a", "read", READ, schema)) is None


@pytest.mark.parametrize(
    ("said", "subject", "read"),
    [
        (TRUSTED, None, False),
        (TRUSTED, tool(), True),
        (TRUSTED, tool(hints=SILENT), True),
        (TRUSTED, tool(hints=OPEN), True),
        (TRUSTED, tool(hints=Hints()), False),
        (TRUSTED, tool("delete_file"), False),
        (TRUSTED, tool(hints=Hints(read_only=False)), False),
        (policy("shadow"), tool(), False),
        (policy("off"), tool(), False),
        (policy("listed"), tool(), False),
        (policy("listed", allow=("read_file",)), tool(hints=Hints()), True),
        (policy("listed", allow=("*",)), tool(hints=Hints(read_only=False)), False),
        (policy(allow=("delete_file",)), tool("delete_file"), True),
    ],
)
def test_a_demand_counts_as_a_write_unless_the_user_or_a_trusted_hint_says_otherwise(said, subject, read):
    assert provably_read(said, subject) is read


def test_shadow_counts_by_the_tools_own_word():
    assert looks_read(tool())
    assert not looks_read(tool("delete_file"))
    assert not looks_read(tool(hints=Hints()))
    assert not looks_read(None)


# --- properties over all tools and policies --------------------------------------------------------------------------

HINT = st.sampled_from([None, True, False])
NAMES = st.sampled_from(["read_file", "delete_file", "get_commit", "run", "what", "a[b]c", "x*", "q?", "[!a]"])
GLOBS = st.lists(st.sampled_from(["*", "read_*", "delete_file", "get_*", "a[[]b]c", "nothing"]), max_size=2).map(tuple)
REVIEWS = st.none() | st.builds(
    Review,
    st.sampled_from(["read", "write", "depends", "volatile", "consuming", "session-creating", "secret"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
TOOLS = st.builds(
    lambda review, name, properties, *hints: Tool("a", name, Hints(*hints), {"properties": properties}, "", review),
    REVIEWS,
    NAMES,
    st.sampled_from([{}, {"sql": {}}, {"output": {}}, {"action": {"enum": ["delete"]}}]),
    HINT,
    HINT,
    HINT,
    HINT,
)
POLICIES = st.builds(
    ServerPolicy,
    st.sampled_from(["off", "shadow", "annotated", "listed"]),
    st.booleans(),
    GLOBS,
    GLOBS,
    st.sampled_from([(), (), ("read_*",)]),
    st.sampled_from(["free", "free", "unknown", "metered"]),
)
CALLS = st.builds(
    lambda ingredients, composed, flows, own: call(
        "read_file", *ingredients, composed=composed, flows=flows, users_own=own
    ),
    st.lists(st.sampled_from([CONST, OWN_RESULT, OWN_ARGUMENT, FOREIGN_RESULT, FOREIGN_ARGUMENT]), max_size=2),
    st.booleans(),
    st.sampled_from([frozenset(), FLOW]),
    st.booleans(),
)
BARRED = st.sampled_from([None, None, None, "it asked the user something"])
ROWS = [row for row, *_ in REFUSALS]


@given(POLICIES, TOOLS, CALLS, BARRED)
def test_a_remedy_really_changes_the_decision(said, subject, prediction, barred):
    before = decide(said, subject, prediction, barred)
    if before.remedy is None:
        return
    assert before.remedy != said
    after = decide(before.remedy, subject, prediction, barred)
    assert after.eligible or ROWS.index(after.row) > ROWS.index(before.row)


@given(POLICIES, TOOLS, BARRED)
def test_remedies_lead_to_eligible_or_to_a_refusal_that_nothing_can_change(said, subject, barred):
    decision = decide_tool(said, subject, barred)
    for _ in ROWS:
        if decision.remedy is None:
            break
        decision = decide_tool(decision.remedy, subject, barred)
    assert decision.eligible or decision.row in ("write", "barred")


@given(POLICIES, TOOLS, CALLS, BARRED)
def test_a_call_is_never_eligible_where_its_tool_is_not(said, subject, prediction, barred):
    whole, alone = decide(said, subject, prediction, barred), decide_tool(said, subject, barred)
    if not alone.eligible:
        assert whole == alone


@given(POLICIES, TOOLS, CALLS, BARRED)
def test_what_is_eligible_keeps_every_promise(said, subject, prediction, barred):
    if not decide(said, subject, prediction, barred).eligible:
        return
    named = any(glob in (subject.name, "*") or subject.name.startswith(glob.rstrip("*")) for glob in said.allow)
    named = named or (subject.name == "a[b]c" and "a[[]b]c" in said.allow)
    review = subject.review
    known_read = review is not None and review.sure and review.kind == "read"
    closes = said.closed_world or (known_read and review.closed_world)
    closed = subject.hints.open_world is False or (subject.hints.open_world is None and closes)
    honest = suspicion(subject) is None or (known_read and subject.hints.destructive is not True)
    spelled = re.sub(r"[*?[]", r"[\g<0>]", subject.name) in said.allow
    foreign = any(ingredient.server == "b" for ingredient in prediction.ingredients)
    assert said.mode != "off"
    assert barred is None
    assert subject.hints.read_only is not False
    assert named or ((subject.hints.read_only is True or known_read) and closed and honest)
    assert named or (said.cost == "free" and not (review and review.metered) and subject.hints.idempotent is not False)
    assert spelled or review is None or review.kind == "read"
    assert not (said.approval and subject.name.startswith("read_"))
    assert named or said.mode in ("annotated", "shadow")
    assert not foreign or (closed and ("b", "a") in prediction.flows)
    assert not prediction.composed or closed or prediction.users_own


@given(POLICIES, TOOLS, CALLS, BARRED, st.sampled_from(["*", "read_*", "delete_file", "a[[]b]c"]))
def test_one_more_denial_never_makes_anything_eligible(said, subject, prediction, barred, glob):
    stricter = replace(said, deny=(*said.deny, glob))
    if decide(stricter, subject, prediction, barred).eligible:
        assert decide(said, subject, prediction, barred).eligible


@given(POLICIES, TOOLS, CALLS, BARRED, st.booleans())
def test_a_worse_review_never_makes_anything_eligible(said, subject, prediction, barred, metered):
    worse = replace(subject, review=replace(subject.review or Review("read"), kind="write", metered=metered))
    if decide(said, worse, prediction, barred).eligible:
        assert decide(said, subject, prediction, barred).eligible


@given(POLICIES, TOOLS, CALLS, BARRED, st.booleans())
def test_a_worse_hint_never_makes_anything_eligible(said, subject, prediction, barred, about_world):
    worse = replace(subject.hints, open_world=True) if about_world else replace(subject.hints, read_only=False)
    if decide(said, replace(subject, hints=worse), prediction, barred).eligible:
        assert decide(said, subject, prediction, barred).eligible


@given(POLICIES.filter(lambda said: said.mode != "shadow"), TOOLS)
def test_whatever_may_run_early_is_a_read_when_the_agent_calls_it(said, subject):
    """Else a demand would drop the very guess that it should be served from."""
    if decide_tool(said, subject).eligible:
        assert provably_read(said, subject)


def test_a_tool_that_was_denied_or_barred_is_no_proven_read():
    assert not provably_read(policy("annotated", deny=("read",)), tool(name="read"))
    assert not provably_read(policy("annotated"), tool(name="read"), "its definition changed")
    assert provably_read(policy("annotated"), tool(name="read"))
