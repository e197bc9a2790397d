"""The scale table: what it counts. (How long decisions take is the machine's affair.)"""

import json

from paste_mcp.core.speculation.settings import Limits
from paste_mcp.lab.simulate.scale import measure, run


def test_all_guesses_but_those_that_have_a_slot_wait():
    row = measure(40, decisions=5)
    sent = Limits().total if row.queued == 40 - Limits().total else Limits().per_server
    assert (row.sessions, row.queued) == (40, 40 - sent)
    assert 0 < row.p50_us <= row.p90_us


def test_a_row_for_each_size(capsys):
    run(to_json=True, sizes=(1, 3))
    rows = json.loads(capsys.readouterr().out)["scale"]
    assert [row["sessions"] for row in rows] == [1, 3]
