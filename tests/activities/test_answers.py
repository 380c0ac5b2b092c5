"""Answers kept on disk: whole ones are found, and others that come or go meanwhile do no harm."""

import os
import time
from pathlib import Path

from activities.answers import ABANDONED_S, Answers


def test_an_answer_that_takes_its_name_as_the_folder_is_read_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    whole = tmp_path / "key-0123"
    whole.touch()
    (tmp_path / "key-4567.part").symlink_to("gone")  # listed, and not there when looked at
    assert Answers(tmp_path).waiting() == [("key", "0123", whole)]


def test_what_was_cut_off_a_day_ago_is_removed_and_what_is_being_written_stays(
    tmp_path: Path,
) -> None:
    old, young = tmp_path / "key-0123.part", tmp_path / "key-4567.part"
    for part in (old, young):
        part.touch()
    long_ago = time.time() - ABANDONED_S - 1
    os.utime(old, (long_ago, long_ago))
    assert Answers(tmp_path).waiting() == []
    assert list(tmp_path.iterdir()) == [young]
