"""A card is a piece of the film: exact, joinable, with its text inside the safe area."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadInput
from filmforge.media.cards import draw_card
from filmforge.media.conform import ConformSpec, conform
from filmforge.subtitles import Card
from tests.media.conftest import MakeClip

Pictures = Callable[[Path], list[NDArray[np.uint8]]]
NTSC = Fraction(30000, 1001)
PLAIN = {"fade_in": 0, "fade_out": 0, "background": "#000000", "colour": "#ffffff"}


def _spec(width: int = 256, height: int = 144, frames: int = 3, **other: int) -> ConformSpec:
    return ConformSpec(width=width, height=height, fps=NTSC, frames=frames, **other)


async def _drawn(
    tmp_path: Path, pictures_of: Pictures, spec: ConformSpec, **card: object
) -> NDArray[np.int_]:
    path = tmp_path / "card.mov"
    await draw_card(Card.model_validate(PLAIN | card), path, spec, tmp_path)
    return pictures_of(path)[0][: spec.height].astype(np.int_)


async def test_a_card_has_its_frames_and_samples_and_joins_a_piece(
    tmp_path: Path, make_clip: MakeClip, pictures_of: Pictures
) -> None:
    spec = _spec(frames=37, head_frames=5, tail_frames=7)
    await draw_card(Card(text="The Attic", subtext="a film"), tmp_path / "c.mov", spec, tmp_path)
    await conform(await make_clip("clip.mp4"), tmp_path / "p.mov", spec)
    with av.open(str(tmp_path / "c.mov")) as card, av.open(str(tmp_path / "p.mov")) as piece:
        ours, theirs = card.streams.video[0], piece.streams.video[0]
        assert ours.codec_context.extradata == theirs.codec_context.extradata
        assert (ours.time_base, ours.average_rate) == (theirs.time_base, theirs.average_rate)
        keys = [n for n, p in enumerate(p for p in card.demux(ours) if p.size) if p.is_keyframe]
        assert {0, 5, 30} <= set(keys)
    with av.open(str(tmp_path / "c.mov")) as card:
        sound = card.streams.audio[0]
        facts = (sound.codec_context.name, sound.rate, sound.channels)
        assert facts == ("pcm_s16le", 48_000, 2)
        assert sum(f.samples for f in card.decode(sound)) == round(37 * 48_000 / NTSC)
    assert len(pictures_of(tmp_path / "c.mov")) == 37


async def test_colours_are_those_asked_for_and_fades_begin_and_end_black(
    tmp_path: Path, pictures_of: Pictures
) -> None:
    card = Card(text="x", background="#c02040", fade_in="0.2", fade_out="0.2")
    await draw_card(card, tmp_path / "c.mov", _spec(frames=20), tmp_path)
    with av.open(str(tmp_path / "c.mov")) as media:
        frames = [f.to_ndarray(format="yuv420p") for f in media.decode(video=0)]
    corners = [int(f[0, 0]) for f in frames]
    # Limited-range BT.709 luma of the colour.
    expected = 16 + 219 / 255 * (0.2126 * 0xC0 + 0.7152 * 0x20 + 0.0722 * 0x40)
    assert abs(corners[10] - expected) <= 2
    assert corners[0] <= 20
    assert corners[-1] < corners[10] / 2 + 10
    assert corners[:6] == sorted(corners[:6])


@pytest.mark.parametrize("size", [(256, 144), (144, 256), (64, 64)])
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The End", "en"),
        ("A title that goes on and on, until it has to be broken over many lines", "en"),
        ("屋根裏部屋の秘密と、誰も知らない物語", "ja"),
        ("العلية: رسائل 1962 من FilmForge", "ar"),
    ],
)
async def test_text_is_centred_inside_the_safe_area(
    tmp_path: Path, pictures_of: Pictures, size: tuple[int, int], text: str, language: str
) -> None:
    spec = _spec(*size, frames=1)
    drawn = await _drawn(
        tmp_path, pictures_of, spec, text=text, subtext="by somebody", language=language
    )
    rows, columns = np.flatnonzero(drawn.max(1) > 90), np.flatnonzero(drawn.max(0) > 90)
    assert columns[0] >= 0.08 * size[0]
    assert columns[-1] <= 0.92 * size[0]
    assert rows[0] >= 0.1 * size[1]
    assert rows[-1] <= 0.9 * size[1]
    assert abs(columns[0] + columns[-1] - size[0]) <= 0.06 * size[0]


async def test_arabic_on_a_card_is_joined(tmp_path: Path, pictures_of: Pictures) -> None:
    joined = await _drawn(tmp_path, pictures_of, _spec(), text="بببب", language="ar")
    apart = await _drawn(
        tmp_path, pictures_of, _spec(), text="ب\u200cب\u200cب\u200cب", language="ar"
    )
    widths = [np.ptp(np.flatnonzero(drawn.max(0) > 90)) for drawn in (joined, apart)]
    assert widths[0] < 0.8 * widths[1]


async def test_the_same_card_is_the_same_file(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        work = tmp_path / name
        work.mkdir()
        await draw_card(Card(text="Twice 二"), work / "c.mov", _spec(), work)
        written.append((work / "c.mov").read_bytes())
    assert written[0] == written[1]


async def test_text_that_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"card\.subtext: no font has .*U\+0E17"):
        await draw_card(Card(text="x", subtext="ท"), tmp_path / "c.mov", _spec(), tmp_path)
    with pytest.raises(BadInput, match="does not fit a picture of 64 x 64"):
        await draw_card(Card(text="word " * 300), tmp_path / "c.mov", _spec(64, 64), tmp_path)
