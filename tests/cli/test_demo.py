"""The demo on the real servers, and what it says of its film."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from filmforge.brief import read_film
from filmforge.cli.premiere import check, compare, expected_s
from filmforge.errors import BadMedia
from filmforge.media.ffmpeg import run_ffmpeg
from tests.cli.remote import film, shot, take

ATTIC = Path(__file__).parents[2] / "examples" / "attic.json"


def small_film() -> dict[str, Any]:
    """Two seconds of the attic in a small picture."""
    document: dict[str, Any] = json.loads(ATTIC.read_text())
    document["output"] = {"width": 320, "height": 180, "fps": 24}
    document["shots"] = [{**s, "duration": "1.25"} for s in document["shots"][:2]]
    document["shots"][0]["transition"] = {"type": "crossfade", "duration": 0.5}
    document["shots"][1]["dialogue"] = "Hello."
    return document


def run_demo(folder: Path) -> Any:
    command = [sys.executable, "-m", "filmforge.cli", "demo", "--json"]
    command += ["--film", "small.json", "--state", "state", "--to", "out/small.mp4"]
    ran = subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=200
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def left_running(folder: Path) -> list[str]:
    """The commands of processes whose environment names the state directory."""
    marked = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder / "state") in (process / "environ").read_text(errors="replace"):
                marked.append((process / "cmdline").read_text())
        except OSError:
            continue
    return marked


def test_a_second_demo_takes_everything_from_the_cache_and_both_leave_nothing_running(
    tmp_path: Path,
) -> None:
    (tmp_path / "small.json").write_text(json.dumps(small_film()))
    first, second = run_demo(tmp_path), run_demo(tmp_path)
    assert first["assets"] == {"made": 5, "reused": 0}
    assert second["assets"] == {"made": 0, "reused": 5}
    assert first["film_id"] != second["film_id"]
    assert second["media"]["width"] == 320
    assert (tmp_path / "out" / "small.mp4").stat().st_size > 1000
    assert (tmp_path / "out" / "small.png").stat().st_size > 1000
    assert left_running(tmp_path) == []


def test_the_attic_has_five_shots_two_lines_of_dialogue_and_crossfades() -> None:
    attic = read_film(json.loads(ATTIC.read_text()))
    assert len(attic.shots) == 5
    assert sum(bool(s.dialogue) for s in attic.shots) == 2
    assert sum(s.transition.type == "crossfade" for s in attic.shots) >= 2
    assert attic.budget_usd == Decimal("5.00")
    assert expected_s(attic) == Fraction("20.75")


async def render(path: Path, seconds: str) -> None:
    source = ["-f", "lavfi", "-i", f"testsrc2=s=320x180:r=24:d={seconds}"]
    sound = ["-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "libx264", "-c:a", "aac"]
    await run_ffmpeg([*source, *sound, "-pix_fmt", "yuv420p", str(path)], timeout_s=60)


async def test_a_film_of_the_wrong_length_or_size_is_not_accepted(tmp_path: Path) -> None:
    submitted = read_film(small_film())
    await render(tmp_path / "right.mp4", "2")
    assert check(tmp_path / "right.mp4", submitted).audio_codec == "aac"
    await render(tmp_path / "long.mp4", "3")
    with pytest.raises(BadMedia, match="were asked for"):
        check(tmp_path / "long.mp4", submitted)
    with pytest.raises(BadMedia, match="1280x720"):
        check(tmp_path / "right.mp4", read_film(json.loads(ATTIC.read_text())))


def with_takes(reused: bool) -> Any:
    made = [take("image", reused=reused), take("video", reused=reused)]
    return film("succeeded", [shot("shot_001", "succeeded", "done", takes=made)])


def test_the_second_run_is_measured_against_the_run_that_made_everything(tmp_path: Path) -> None:
    memory = tmp_path / "demo.json"
    assert "Made 2 assets in 25.0 s" in compare(memory, with_takes(False), 25.0, "body")
    said = compare(memory, with_takes(True), 5.0, "body")
    assert "2 of 2 assets, saved $0.02" in said
    assert "5.0 s now, 25.0 s when everything was made (20 s less)" in said


def test_nothing_is_compared_with_a_run_of_another_film_or_with_none(tmp_path: Path) -> None:
    memory = tmp_path / "demo.json"
    assert "when everything was made" not in compare(memory, with_takes(True), 5.0, "body")
    compare(memory, with_takes(False), 25.0, "another")
    assert "when everything was made" not in compare(memory, with_takes(True), 5.0, "body")


def test_a_film_that_does_not_exist_is_wrong_use() -> None:
    command = [sys.executable, "-m", "filmforge.cli", "demo", "--film", "missing.json"]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert ran.returncode == 2
    assert "missing.json: does not exist" in ran.stderr
