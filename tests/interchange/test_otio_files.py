"""OTIO and OTIOZ: deterministic, readable by OpenTimelineIO itself, and safe to read."""

import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from opentimelineio.opentime import RationalTime, TimeRange

from filmforge.errors import BadInput
from filmforge.interchange import otioz
from filmforge.interchange.native import read_otio, write_otio
from filmforge.interchange.otioz import read_otioz, write_otioz
from filmforge.interchange.read import read_recut
from filmforge.interchange.recut import Passage
from filmforge.interchange.timeline import recut_of
from tests.interchange.timelines import (
    FILM_24,
    NTSC_24,
    Part,
    Sound,
    digest_of,
    recut_of_spec,
    timeline_of,
)

MOV = b"\0\0\0\x14ftypqt  "


def _media(folder: Path, *names: str) -> dict[str, Path]:
    for name in names:
        (folder / name).write_bytes(MOV + name.encode())
    return {digest_of(name): folder / name for name in names}


def test_the_same_timeline_gives_the_same_bytes(tmp_path: Path) -> None:
    media = _media(tmp_path, "shot_001", "line")
    for name in ("one", "two"):
        timeline = timeline_of((Part(),), (Sound(),))
        write_otio(timeline, tmp_path / f"{name}.otio")
        write_otioz(timeline, media, tmp_path / f"{name}.otioz")
    for suffix in ("otio", "otioz"):
        one, two = (tmp_path / f"{name}.{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_opentimelineio_unpacks_the_archive_and_finds_the_media(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    timeline = timeline_of((Part(), Part(start=50)), (Sound(),))
    write_otioz(timeline, _media(tmp_path, "shot_001", "line"), tmp_path / "film.otioz")
    found = otio.adapters.read_from_file(
        str(tmp_path / "film.otioz"), extract_to_directory=str(tmp_path / "out")
    )
    urls = [clip.media_reference.target_url for clip in found.find_clips()]
    assert urls[0] == urls[1] == f"media/shot_001-{digest_of('shot_001')[:16]}.mov"
    for url, name in ((urls[0], "shot_001"), (urls[2], "line")):
        assert (tmp_path / "out" / url).read_bytes() == MOV + name.encode()
    assert next(iter(timeline.find_clips())).media_reference.target_url.startswith("asset:")


def test_media_are_streamed_into_the_archive(tmp_path: Path) -> None:
    media = _media(tmp_path, "shot_001")
    with media[digest_of("shot_001")].open("ab") as file:
        file.truncate(48 << 20)
    tracemalloc.start()
    write_otioz(timeline_of((Part(),)), media, tmp_path / "film.otioz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_names_in_the_archive_are_safe(tmp_path: Path) -> None:
    timeline = timeline_of((Part(),))
    next(iter(timeline.find_clips())).name = "../../etc/ü\\x:y"
    write_otioz(timeline, _media(tmp_path, "shot_001"), tmp_path / "film.otioz")
    with zipfile.ZipFile(tmp_path / "film.otioz") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[2] == f"media/etc_x_y-{digest_of('shot_001')[:16]}.mov"


def test_a_missing_medium_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="shot_001"):
        write_otioz(timeline_of((Part(),)), {}, tmp_path / "film.otioz")


def _archive(path: Path, *entries: tuple[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries:
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:x", "a\\..\\x"])
def test_an_archive_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = _archive(tmp_path / "f", ("content.otio", "{}"), (name, "x"))
    with pytest.raises(BadInput, match="leads out of the archive"):
        read_otioz(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _archive(tmp_path / "f", ("content.otio", " " * (5 << 20)))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(otioz, "MAX_BYTES", 4 << 20)
    with pytest.raises(BadInput, match="larger than 4 MiB"):
        read_otioz(path)


def test_a_huge_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _archive(tmp_path / "f", *[(f"{n:060}", "") for n in range(700)])
    monkeypatch.setattr(otioz, "_MAX_DIRECTORY", 70_000)
    with pytest.raises(BadInput, match="directory is too large"):
        read_otioz(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nothing", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(BadInput, match="zip archive"):
        read_otioz(tmp_path / "f")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000 + "]" * 100_000, "too deeply|too large"),
        ("[" + "{}," * 1_000_001 + "{}]", "too large"),
        ('{"OTIO_SCHEMA": "Timeline.1", "name": NaN}', "no number"),
        ('{"OTIO_SCHEMA": "Timeline.1", "tracks": {"OTIO_SCHEMA": "Malware.1"}}', "'Malware.1'"),
        ('{"OTIO_SCHEMA": "Timeline.999", "name": "x"}', "cannot read it"),
        ('{"OTIO_SCHEMA": "Clip.1", "name": "x"}', "no single timeline"),
        ("{", "no JSON"),
        ("3", "no single timeline|cannot read"),
    ],
)
def test_a_damaged_or_hostile_otio_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_otio(text)


def _edited(change: Any) -> otio.schema.Timeline:
    timeline = timeline_of((Part("shot_001"), Part("shot_002")), (Sound(),))
    change(timeline)
    return timeline


def _clip(timeline: otio.schema.Timeline) -> Any:
    return timeline.tracks[0][0]


def _at(value: float, rate: float) -> TimeRange:
    return TimeRange(RationalTime(0, rate), RationalTime(value, rate))


def _add_track(timeline: otio.schema.Timeline) -> None:
    timeline.tracks.append(timeline.tracks[0].clone())


REFUSED: dict[str, Any] = {
    "'LinearTimeWarp'": lambda t: _clip(t).effects.append(
        otio.schema.LinearTimeWarp(time_scalar=2.0)
    ),
    "'Blur'": lambda t: _clip(t).effects.append(otio.schema.Effect(effect_name="Blur")),
    "'FreezeFrame'": lambda t: _clip(t).effects.append(otio.schema.FreezeFrame()),
    "disabled": lambda t: setattr(_clip(t), "enabled", False),
    "counted at 25": lambda t: setattr(_clip(t), "source_range", _at(24, 25)),
    "no whole number": lambda t: setattr(_clip(t), "source_range", _at(24.5, 24)),
    "nested Stack": lambda t: t.tracks[0].append(otio.schema.Stack()),
    "nested Track": lambda t: t.tracks[0].append(otio.schema.Track()),
    "one picture track, this has 2": _add_track,
    "'Sparkle' cannot": lambda t: t.tracks[0].insert(
        1,
        otio.schema.Transition(
            transition_type="Sparkle",
            in_offset=RationalTime(1, 24),
            out_offset=RationalTime(1, 24),
        ),
    ),
    "Name it Dialogue": lambda t: setattr(t.tracks[1], "name", "A1"),
    "shows a GeneratorReference": lambda t: setattr(
        _clip(t), "media_reference", otio.schema.GeneratorReference()
    ),
    "none": lambda t: t.tracks[0].clear(),
    "trimmed or has effects": lambda t: setattr(t.tracks[0], "source_range", _at(24, 24)),
    "between 1 and 120": lambda t: t.metadata["filmforge"].update({"fps": "1/9"}),
    "of the 0 that are shown": lambda t: setattr(_clip(t), "source_range", _at(-4, 24)),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_a_film_cannot_show_is_refused_by_name(says: str) -> None:
    with pytest.raises(BadInput, match=says):
        recut_of(_edited(REFUSED[says]))


def test_a_dissolve_to_plain_black_is_a_fade() -> None:
    timeline = timeline_of((Part("shot_001"), Part(None, frames=24), Part("shot_002")))
    half = RationalTime(6, 24)
    for at in (1, 3):
        timeline.tracks[0].insert(
            at,
            otio.schema.Transition(
                transition_type="SMPTE_Dissolve", in_offset=half, out_offset=half
            ),
        )
    one, black, two = recut_of(timeline).shown
    assert one.transition == Passage(style="fade_to_black", tail=12, head=0)
    assert (one.frames, black.frames, two.frames) == (54, 12, 54)
    assert black.transition == Passage(style="fade_from_black", tail=0, head=12)
    assert recut_of(timeline).frames == 120


def test_media_whose_timecode_does_not_begin_at_zero_is_counted_from_its_beginning() -> None:
    timeline = timeline_of((Part(start=5, note="Nice"),))
    clip = timeline.tracks[0][0]
    hour = RationalTime(86_400, 24)
    media = clip.media_reference
    media.available_range = TimeRange(hour, media.available_range.duration)
    clip.source_range = TimeRange(clip.source_range.start_time + hour, clip.source_range.duration)
    marked = clip.markers[0].marked_range
    clip.markers[0].marked_range = TimeRange(marked.start_time + hour, marked.duration)
    assert recut_of(timeline) == recut_of_spec((Part(start=5, note="Nice"),))


def test_a_relinked_clip_is_what_its_media_say_and_not_its_metadata() -> None:
    timeline = timeline_of((Part(), Part(), Part()))
    other = digest_of("other")
    names = (f"file:///x/shot_001-{other[:16]}.mov", "file:///x/mine.mov", f"asset:sha256:{other}")
    for clip, url in zip(timeline.tracks[0], names, strict=True):
        clip.media_reference.target_url = url
    found = [(shown.digest, shown.source) for shown in recut_of(timeline).shown]
    assert found == [(None, names[0]), (None, names[1]), (other, "")]


def test_a_film_s_own_rate_rules_and_a_bare_timeline_needs_one() -> None:
    timeline = timeline_of((Part(),), fps=NTSC_24)
    assert recut_of(timeline, FILM_24).fps == NTSC_24
    del timeline.metadata["filmforge"]
    assert recut_of(timeline, NTSC_24).fps == NTSC_24
    with pytest.raises(BadInput, match="Give the film's rate"):
        recut_of(timeline)
    with pytest.raises(BadInput, match=r"counted at 23\.976"):
        recut_of(timeline, FILM_24)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    write_otio(timeline_of((Part(),)), tmp_path / "film.edl")
    assert read_recut(tmp_path / "film.edl", FILM_24).order == ("shot_001",)
    (tmp_path / "film.otio").write_bytes(b"\x00\x01")
    with pytest.raises(BadInput, match="none of the formats"):
        read_recut(tmp_path / "film.otio", FILM_24)
    (tmp_path / "film.edl").write_bytes(b"TITLE: \xff\xfe")
    with pytest.raises(BadInput, match="UTF-8"):
        read_recut(tmp_path / "film.edl", FILM_24)


def test_metadata_survives_as_plain_json() -> None:
    timeline = timeline_of((Part(),))
    odd = {"deep": [1, 2.5, None, True, {"é": "\n"}]}
    timeline.tracks[0][0].metadata["filmforge"].update(odd)
    facts = recut_of(read_otio(timeline.to_json_string())).shown[0].facts
    assert json.loads(json.dumps(facts))["deep"] == odd["deep"]
