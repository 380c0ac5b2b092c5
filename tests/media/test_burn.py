"""Text stands in the picture at exactly its frames, shaped; soft tracks leave the film as it is."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadInput
from filmforge.media.burn import BurnSpec, SoftTrack, add_subtitles, burn_filter, burn_in
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.subtitles import Cue
from tests.media.conftest import MakeClip

Pictures = Callable[[Path], list[NDArray[np.uint8]]]
GREY = "color=gray:s=256x144:r=25:d=2"


async def _piece(make_clip: MakeClip, tmp_path: Path, fps: Fraction, frames: int) -> Path:
    clip = await make_clip("clip.mp4", GREY, "sine=440:r=48000:d=2")
    spec = ConformSpec(width=256, height=144, fps=fps, frames=frames)
    await conform(clip, tmp_path / "piece.mov", spec)
    return tmp_path / "piece.mov"


def _has_text(picture: NDArray[np.uint8]) -> bool:
    return int(np.ptp(picture[:144])) > 60


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(60000, 1001), Fraction(120)])
async def test_text_stands_at_its_frames_and_at_no_other(
    tmp_path: Path, make_clip: MakeClip, pictures_of: Pictures, fps: Fraction
) -> None:
    piece = await _piece(make_clip, tmp_path, fps, 24)
    cues = [
        Cue(start=1000 + s, end=1000 + e, lines=("XX",)) for s, e in ((3, 4), (7, 15), (20, 40))
    ]
    work = tmp_path / "it's [a] b,c;d:\\e=%{x}"
    spec = BurnSpec(width=256, height=144, fps=fps, first_frame=1000)
    await burn_in(piece, tmp_path / "out.mov", cues, spec, work, stretch=(0, 24))
    shown = [n for n, picture in enumerate(pictures_of(tmp_path / "out.mov")) if _has_text(picture)]
    assert shown == [3, *range(7, 15), *range(20, 24)]
    with av.open(str(piece)) as before, av.open(str(tmp_path / "out.mov")) as after:
        old, new = before.streams.video[0], after.streams.video[0]
        assert new.codec_context.extradata == old.codec_context.extradata, "pieces still join"
        assert (new.frames, new.average_rate, new.time_base) == (24, fps, old.time_base)
        assert not after.streams.audio


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(60000, 1001)])
async def test_a_stretch_has_the_frames_of_its_piece(
    tmp_path: Path, make_clip: MakeClip, pictures_of: Pictures, fps: Fraction
) -> None:
    """Every frame of it is the piece's own, where no text stands."""
    clip = await make_clip("clip.mp4", "testsrc2=s=256x144:r=60000/1001:d=2", None)
    spec = ConformSpec(width=256, height=144, fps=fps, frames=24, head_frames=7)
    await conform(clip, tmp_path / "piece.mov", spec)
    whole = pictures_of(tmp_path / "piece.mov")
    cue = Cue(start=9, end=12, lines=("XX",))
    burn = BurnSpec(width=256, height=144, fps=fps)
    await burn_in(
        tmp_path / "piece.mov", tmp_path / "out.mov", [cue], burn, tmp_path / "w", stretch=(7, 20)
    )
    part = pictures_of(tmp_path / "out.mov")
    assert len(part) == 13
    for n in range(8):
        errors = [np.abs(part[n].astype(int) - other.astype(int)).mean() for other in whole]
        assert int(np.argmin(errors)) == 7 + n


async def _ink(tmp_path: Path, name: str, line: str, language: str) -> NDArray[np.bool_]:
    """Where a line is drawn on grey: the columns and rows of its white, cut to its box."""
    spec = BurnSpec(width=640, height=480, fps=Fraction(24), language=language)
    drawn = burn_filter([Cue(start=0, end=9, lines=(line,))], spec, tmp_path / name)
    path = tmp_path / f"{name}.png"
    grey = ["-f", "lavfi", "-i", "color=gray:s=640x480:r=24:d=0.1"]
    await run_ffmpeg([*grey, "-vf", drawn, "-frames:v", "1", "-update", "1", str(path)])
    with av.open(str(path)) as media:
        white = next(media.decode(video=0)).to_ndarray(format="gray") > 220
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    box: NDArray[np.bool_] = white[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return box


async def test_arabic_is_joined_and_runs_from_the_right(tmp_path: Path) -> None:
    joined = await _ink(tmp_path, "joined", "بببب", "ar")
    apart = await _ink(tmp_path, "apart", "ب\u200cب\u200cب\u200cب", "ar")
    assert joined.shape[1] < 0.8 * apart.shape[1]
    assert joined.any(0).all(), "one stroke from end to end"
    assert not apart.any(0).all()
    number = await _ink(tmp_path, "number", "بببب 111", "ar")
    blank = np.flatnonzero(~number.any(0))
    assert number[:, blank.max() :].shape[1] >= joined.shape[1], "the number is on the left"


async def test_a_sentence_that_runs_from_the_right_ends_on_the_left_in_every_font(
    tmp_path: Path,
) -> None:
    plain = await _ink(tmp_path, "plain", "abc שלום", "he")
    ended = await _ink(tmp_path, "ended", "abc שלום!", "he")
    width = plain.shape[1]
    assert np.mean(ended[: plain.shape[0], -width:] == plain[: ended.shape[0]]) > 0.9


async def test_what_looks_like_a_command_is_drawn_as_text(tmp_path: Path) -> None:
    drawn = await _ink(tmp_path, "raw", r"a\Nb {\fs90\pos(0,0)} c", "en")
    assert drawn.shape[0] < 40, "one line of the usual size"
    plain = await _ink(tmp_path, "less", "ab  c", "en")
    assert drawn.shape[1] > 2 * plain.shape[1]


async def test_a_line_too_wide_for_the_picture_is_drawn_smaller(tmp_path: Path) -> None:
    drawn = await _ink(tmp_path, "long", "wide " * 15, "en")
    assert 560 < drawn.shape[1] <= 576


async def test_characters_without_a_font_are_refused_before_anything_is_drawn(
    tmp_path: Path,
) -> None:
    spec = BurnSpec(width=256, height=144, fps=Fraction(24))
    with pytest.raises(BadInput, match=r"U\+1F600"):
        burn_filter([Cue(start=0, end=9, lines=("😀",))], spec, tmp_path / "w")
    assert not (tmp_path / "w").exists()


async def test_soft_tracks_keep_their_words_and_the_film_its_packets(
    tmp_path: Path, make_clip: MakeClip
) -> None:
    film = await make_clip("film.mp4", GREY, "sine=440:r=48000:d=2", "-c:a", "aac", "-bf", "0")
    fps = Fraction(25)
    cues = (
        Cue(start=5, end=20, lines=("a <i>b</i> {\\an8} & 你好", "two")),
        Cue(start=22, end=40, lines=("later",)),
    )
    tracks = [
        SoftTrack(language="pt-BR", cues=cues, name="Português"),
        SoftTrack(language="ar", cues=(Cue(start=0, end=9, lines=("نعم 12.",)),), is_default=True),
    ]
    out = tmp_path / "out.mp4"
    await add_subtitles(film, tracks, out, fps, tmp_path)
    with av.open(str(film)) as before, av.open(str(out)) as after:
        for kind in ("video", "audio"):
            old, new = (
                [(p.pts, p.dts, p.time_base, bytes(p)) for p in media.demux(getattr(s, kind)) if p]
                for media in (before, after)
                for s in [media.streams]
            )
            assert old == new
    with av.open(str(out)) as media:
        streams = media.streams.subtitles
        assert [s.language for s in streams] == ["por", "ara"]
        assert [s.codec_context.name for s in streams] == ["mov_text", "mov_text"]
        assert [bool(s.disposition & av.stream.Disposition.default) for s in streams] == [
            False,
            True,
        ]
        packets = [(p.pts, bytes(p)) for p in media.demux(streams[0]) if p.size]
    words = [(at, text[2:].split(b"\x00\x00\x00")[0]) for at, text in packets if len(text) > 2]
    assert words[0] == (200_000, "a <i>b</i> {\u2060\\an8} & 你好\ntwo".encode())
    assert words[1] == (880_000, b"later")
    assert not out.with_name("out.mp4.part").exists()
