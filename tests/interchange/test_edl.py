"""CMX3600: what other readers see in ours, and what we make of other people's lists."""

from fractions import Fraction

import opentimelineio as otio
import pytest

from filmforge.errors import BadInput
from filmforge.interchange.edl import edl_of
from filmforge.interchange.edl_read import read_edl
from filmforge.interchange.recut import Mark, Passage, Recut, Shown
from tests.interchange.timelines import (
    FILM_24,
    NTSC_24,
    NTSC_30,
    NTSC_60,
    Part,
    digest_of,
    recut_of_spec,
)

DISSOLVED = (
    Part("shot_001", start=5, style="crossfade", tail=12, head=12, note="Too dark"),
    Part("shot_002", start=30, frames=40),
    Part("shot_003", frames=24),
)


def _lines(recut: Recut) -> list[str]:
    return [line for line in edl_of(recut).splitlines() if "FILMFORGE" not in line]


def test_events_stand_in_columns_with_names_and_notes() -> None:
    assert _lines(recut_of_spec(DISSOLVED, hour=True)) == [
        "TITLE: Attic",
        "FCM: NON-DROP FRAME",
        "",
        "001  SHOT001  V     C         00:00:00:05 00:00:01:17 01:00:00:00 01:00:01:12",
        "* FROM CLIP NAME:  shot_001",
        f"* SOURCE FILE: shot_001-{digest_of('shot_001')[:16]}.mov",
        "* LOC: 01:00:01:00 GREEN   Too dark",
        "002  SHOT001  V     C         00:00:01:17 00:00:01:17 01:00:01:12 01:00:01:12",
        "002  SHOT002  V     D    012  00:00:01:06 00:00:02:22 01:00:01:12 01:00:03:04",
        "* FROM CLIP NAME:  shot_001",
        "* TO CLIP NAME:  shot_002",
        f"* SOURCE FILE: shot_002-{digest_of('shot_002')[:16]}.mov",
        "003  SHOT003  V     C         00:00:00:00 00:00:01:00 01:00:03:04 01:00:04:04",
        "* FROM CLIP NAME:  shot_003",
        f"* SOURCE FILE: shot_003-{digest_of('shot_003')[:16]}.mov",
    ]


def test_no_line_is_longer_than_a_teletype_s() -> None:
    assert max(map(len, edl_of(recut_of_spec(DISSOLVED)).splitlines())) <= 80


@pytest.mark.parametrize("fps", [FILM_24, NTSC_24, NTSC_30, NTSC_60])
def test_the_cmx_adapter_of_opentimelineio_reads_the_same_frames(fps: Fraction) -> None:
    rate = otio.opentime.RationalTime.nearest_smpte_timecode_rate(float(fps))
    text = edl_of(recut_of_spec(DISSOLVED, fps=fps, hour=True))
    track = otio.adapters.read_from_string(text, "cmx_3600", rate=rate).tracks[0]
    clips = [item for item in track if isinstance(item, otio.schema.Clip)]
    assert [(c.name, c.source_range.start_time.value, c.duration().value) for c in clips] == [
        ("shot_001", 5, 36),
        ("shot_002", 30, 40),
        ("shot_003", 0, 24),
    ]
    assert track[1].out_offset.value == 12
    assert [clip.metadata["cmx_3600"]["reel"] for clip in clips] == [
        "SHOT001",
        "SHOT002",
        "SHOT003",
    ]
    assert clips[0].markers[0].name == "Too dark"


def test_ntsc_lists_say_whether_they_drop_frames() -> None:
    for fps, code in ((NTSC_24, "NON-DROP"), (NTSC_30, "DROP"), (NTSC_60, "DROP")):
        assert f"FCM: {code} FRAME" in _lines(recut_of_spec(DISSOLVED, fps=fps))


def test_reels_are_eight_letters_and_no_two_takes_share_one() -> None:
    parts = [Part(f"the-long-shot-{n}") for n in range(12)] + [Part("BL"), Part("ax")]
    reels = [line[5:13].strip() for line in _lines(recut_of_spec(parts)) if line[:3].isdigit()]
    assert len(set(reels)) == 14
    assert all(reel.isalnum() and len(reel) <= 8 for reel in reels)
    assert {"BL", "AX"}.isdisjoint(reels)


def test_over_an_hour_of_29_97_every_cut_stays_on_its_frame() -> None:
    parts = [Part(f"s{n % 9}", frames=1799, available=1800) for n in range(61)]
    recut = recut_of_spec(parts, None, NTSC_30)
    assert read_edl(edl_of(recut), NTSC_30) == recut
    last = [line for line in _lines(recut) if line[:3].isdigit()][-1]
    assert last.endswith("01:00:01;18 01:01:01;19")


FOREIGN = """\
TITLE:   Cut 2
FCM: NON-DROP FRAME

001  AX       V     C        00:00:00:10 00:00:01:10 01:00:00:00 01:00:01:00
* FROM CLIP NAME:  shot_002
* LOC: 01:00:00:12 RED     Nice
002  AX       V     C        00:00:01:10 00:00:01:10 01:00:01:00 01:00:01:00
002  AX       V     D    006 00:00:00:00 00:00:01:00 01:00:01:00 01:00:02:00
* FROM CLIP NAME:  shot_002
* TO CLIP NAME:  shot_001
* EFFECT NAME: CROSS DISSOLVE

003  BL       V     C        00:00:00:00 00:00:00:00 01:00:03:00 01:00:03:00
003  AX       V     D    012 00:00:00:00 00:00:01:00 01:00:03:00 01:00:04:00
* TO CLIP NAME:  shot_004
004  AX       V     C        00:00:01:00 00:00:01:00 01:00:04:00 01:00:04:00
004  BL       V     D    012 00:00:00:00 00:00:00:12 01:00:04:00 01:00:04:12
* FROM CLIP NAME:  shot_004
"""


def test_an_editor_s_list_is_read() -> None:
    """A reordered film with a dissolve, a hole, a fade in and a fade out, and no word of ours."""
    assert read_edl(FOREIGN, FILM_24) == Recut(
        title="Cut 2",
        fps=FILM_24,
        tc_start=86_400,
        shown=(
            Shown(
                shot_id="shot_002",
                start=10,
                frames=30,
                transition=Passage(style="crossfade", tail=6, head=6),
                marks=(Mark(frame=22, name="Nice", color="RED"),),
            ),
            Shown(shot_id="shot_001", frames=24),
            Shown(frames=24, transition=Passage(style="fade_from_black", tail=0, head=12)),
            Shown(
                shot_id="shot_004",
                frames=36,
                transition=Passage(style="fade_to_black", tail=12, head=0),
            ),
        ),
        heard=None,
    )


def test_a_list_without_fcm_is_told_by_its_last_colon() -> None:
    text = _event("00:00:00{0}00 00:01:00{0}02 00:00:00{0}00 00:01:00{0}02")
    assert read_edl(text.format(";"), NTSC_30).frames == 1800
    assert read_edl(text.format(":"), NTSC_30).frames == 1802


def _event(times: str, effect: str = "C", channel: str = "V", reel: str = "AX") -> str:
    return f"001  {reel} {channel} {effect} {times}\n* FROM CLIP NAME: s1\n"


SECOND = "00:00:00:00 00:00:01:00 00:00:01:00 00:00:02:00"
GOOD = "00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_event("00:00:00:00 00:00:02:00 00:00:00:00 00:00:01:00"), "speed is changed"),
        (_event(GOOD) + "M2   s1  048.0  00:00:00:00\n", "speed is changed"),
        (_event(GOOD) + "* * FREEZE FRAME\n", "frozen"),
        (
            _event(GOOD) + _event("00:00:00:00 00:00:01:00 00:00:00:20 00:00:01:20"),
            "before the one",
        ),
        (_event(GOOD, channel="A2"), "on the track 'A2'"),
        (_event(GOOD, effect="K B"), "no event"),
        (_event(GOOD) + _event(SECOND, effect="W019 010"), "'W019' cannot"),
        (_event("00:00:00:00 00:00:01:00 00:00:00:99 00:00:01:99"), "no timecode"),
        (_event("00:00:01:00 00:00:00:00 00:00:01:00 00:00:00:00"), "ends before"),
        ("TITLE: nothing\n", "no event"),
        (_event(GOOD) + "* FILMFORGE CLIP {broken\n", "damaged"),
        (_event(GOOD) + '* FILMFORGE CLIP {"facts":3}\n', "facts"),
        (_event(GOOD) + '* FILMFORGE FILM {"fps":"25"}\n', "written at 25"),
        (_event(GOOD, effect="D 025"), "take 25 frames of the 24"),
        (
            _event(GOOD)
            + "002 OTHER V C 00:00:01:00 00:00:01:00 00:00:01:00 00:00:01:00\n"
            + "002 AX V D 010 00:00:00:00 00:00:01:00 00:00:01:00 00:00:02:00\n",
            "comes from OTHER",
        ),
    ],
)
def test_what_a_film_cannot_show_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_edl(text, FILM_24)
