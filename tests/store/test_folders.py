"""Folders for the user alone, all the way down."""

import os

import pytest

from paste_mcp.store.folders import make_private


def test_every_folder_that_is_made_is_the_users_alone_and_those_that_were_there_stay(tmp_path):
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        make_private(there / "a" / "b")
        make_private(there / "a" / "b")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (there, there / "a", there / "a" / "b")]
    assert modes == [0o755, 0o700, 0o700]


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        make_private(tmp_path / "file")
    with pytest.raises(OSError):
        make_private(tmp_path / "file" / "below")
