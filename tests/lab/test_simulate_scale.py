"""The scale table: what it counts. (How long decisions take is the machine's affair.)"""

import json

from paste_mcp.lab.simulate.scale import measure, run


def test_all_guesses_but_the_one_that_has_the_slot_wait():
    row = measure(40, decisions=5)
    assert (row.sessions, row.queued) == (40, 39)
    assert 0 < row.p50_us <= row.p90_us


def test_a_row_for_each_size(capsys):
    run(to_json=True, sizes=(1, 3))
    rows = json.loads(capsys.readouterr().out)["scale"]
    assert [row["sessions"] for row in rows] == [1, 3]
