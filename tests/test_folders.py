"""A look into a folder does not fail because another process tidies up there."""

import shutil
from pathlib import Path

from tests.folders import files_below


def test_a_folder_that_goes_while_its_parent_is_read_is_no_error(tmp_path: Path) -> None:
    for name in ("first", "gone/second"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = files_below(tmp_path)
    assert next(found) == tmp_path / "first"
    shutil.rmtree(tmp_path / "gone")
    assert list(found) == []


def test_every_file_below_a_folder_is_found_and_none_below_one_that_is_not_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    wanted = [tmp_path / "a" / "b" / "deep", tmp_path / "a" / "high"]
    for path in wanted:
        path.touch()
    assert sorted(files_below(tmp_path)) == wanted
    assert list(files_below(tmp_path / "nowhere")) == []
