"""Whatever the film exports comes back as the same recut, from every format."""

from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filmforge.interchange.edl import edl_of
from filmforge.interchange.edl_read import read_edl
from filmforge.interchange.fcpxml import fcpxml_of
from filmforge.interchange.fcpxml_read import read_fcpxml
from filmforge.interchange.native import read_otio, write_otio
from filmforge.interchange.otioz import write_otioz
from filmforge.interchange.read import read_recut
from filmforge.interchange.timeline import recut_of
from filmforge.transition import Style
from tests.interchange.timelines import (
    FILM_24,
    NTSC_24,
    NTSC_30,
    NTSC_60,
    Part,
    Sound,
    digest_of,
    recut_of_spec,
    timeline_of,
)

RATES = [FILM_24, NTSC_24, NTSC_30, NTSC_60]
PARTS = (
    Part("shot_001", start=5, style="crossfade", tail=12, head=12, note="Too dark"),
    Part("shot_002", start=30, frames=40, style="wipe_left", tail=7, head=7),
    Part("a.very-long_name.of.a.shot", style="dip_to_white", tail=6, head=5),
    Part("a.very-long_name.of.a.scene", style="wipe_up", tail=1, head=1),
    Part(None, frames=36, card="Chapter two", style="crossfade", tail=9, head=9, note="Font"),
    Part("shot_004", style="fade_to_black", tail=10),
    Part("shot_005", style="dip_to_black", tail=4, head=4),
    Part(None, frames=13),
    Part("shot_006", style="fade_from_white", head=8),
    Part("shot_001", start=60, frames=20, style="fade_to_white", tail=10),
)
SOUNDS = (
    Sound("Dialogue", "hello", at=3),
    Sound("Dialogue", "goodbye", at=80, start=4, frames=20),
    Sound("Effects", "door", at=50),
    Sound("Effects 2", "rain", at=55),
    Sound("Ambience", "wind", at=0, frames=48),
    Sound("Music", "theme", at=230, frames=40),
)
OPENING = ("fade_from_black", 12)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("hour", [False, True])
def test_a_timeline_means_the_frames_it_shows_those_inside_transitions_too(
    fps: Fraction, hour: bool
) -> None:
    timeline = timeline_of(PARTS, SOUNDS, fps, hour, OPENING)
    assert recut_of(timeline) == recut_of_spec(PARTS, SOUNDS, fps, hour, OPENING)


@pytest.mark.parametrize("fps", RATES)
def test_otio_loses_nothing(fps: Fraction, tmp_path: Path) -> None:
    timeline = timeline_of(PARTS, SOUNDS, fps, True, OPENING)
    write_otio(timeline, tmp_path / "film.otio")
    assert read_otio((tmp_path / "film.otio").read_text()).is_equivalent_to(timeline)
    found = read_recut(tmp_path / "film.otio", fps)
    assert found == recut_of_spec(PARTS, SOUNDS, fps, True, OPENING)


def test_otioz_loses_nothing(tmp_path: Path) -> None:
    media = {}
    for name in {*(part.shot_id for part in PARTS), *(sound.name for sound in SOUNDS)} - {None}:
        media[digest_of(name)] = tmp_path / name
        (tmp_path / name).write_bytes(b"\0\0\0\x14ftypisom" + name.encode() * 50)
    timeline = timeline_of(PARTS, SOUNDS, NTSC_24, True, OPENING)
    write_otioz(timeline, media, tmp_path / "film.otioz")
    found = read_recut(tmp_path / "film.otioz", NTSC_24)
    assert found == recut_of_spec(PARTS, SOUNDS, NTSC_24, True, OPENING)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("hour", [False, True])
def test_an_edl_loses_nothing_of_the_picture(fps: Fraction, hour: bool) -> None:
    text = edl_of(recut_of_spec(PARTS, SOUNDS, fps, hour, OPENING))
    assert read_edl(text, fps) == recut_of_spec(PARTS, None, fps, hour, OPENING)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("hour", [False, True])
def test_fcpxml_loses_nothing(fps: Fraction, hour: bool) -> None:
    recut = recut_of_spec(PARTS, SOUNDS, fps, hour, OPENING)
    found = read_fcpxml(fcpxml_of(recut), fps)
    assert _sorted(found) == _sorted(recut)


def _sorted(recut):
    return recut.model_copy(
        update={"heard": tuple(sorted(recut.heard, key=lambda s: (s.at, s.track)))}
    )


@st.composite
def films(draw):
    """Parts that neighbours' transitions fit into, in any order of styles."""
    count = draw(st.integers(1, 6))
    styles = draw(st.lists(st.sampled_from(get_args(Style)), min_size=count, max_size=count))
    styles[-1] = styles[-1] if styles[-1].startswith("fade_to") else "cut"
    parts, head = [], 0
    for style in styles:
        tail = 0 if style == "cut" or style.startswith("fade_from") else draw(st.integers(1, 30))
        following = draw(st.integers(1, 30)) if style.startswith(("dip", "fade_from")) else 0
        following = tail if style.startswith(("wipe", "crossfade")) else following
        kind = draw(st.sampled_from(["shot", "shot", "card"]))
        frames = head + tail + draw(st.integers(1, 50))
        start = draw(st.integers(0, 9)) if kind == "shot" else 0
        parts.append(
            Part(
                f"s{draw(st.integers(1, 9))}" if kind == "shot" else None,
                start,
                frames,
                200,
                style,
                tail,
                following,
                draw(st.sampled_from(["", "Hm", "a  note: with (signs)"])),
                "card" if kind == "card" else "",
            )
        )
        head = following
    return parts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(films(), st.sampled_from(RATES), st.booleans())
def test_any_film_comes_back_from_any_format(parts, fps, hour) -> None:
    recut = recut_of_spec(parts, (), fps, hour)
    assert recut_of(read_otio(timeline_of(parts, (), fps, hour).to_json_string())) == recut
    assert read_edl(edl_of(recut), fps) == recut.model_copy(update={"heard": None})
    assert read_fcpxml(fcpxml_of(recut), fps) == recut
