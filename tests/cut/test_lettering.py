"""Lettering: only stretches between key frames with text in them are encoded again."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from filmforge.cut.layout import Slot, film_frames
from filmforge.cut.lettering import Lettered, forced, lettered
from filmforge.cut.reel import Copied, Passage, reel_of
from filmforge.domain import Shot
from filmforge.media.picture import key_frames
from filmforge.subtitles import Cue
from tests.cut.films import cuts


@st.composite
def texts(draw: st.DrawFn, frames: int) -> list[Cue]:
    edges = sorted(draw(st.sets(st.integers(0, frames), max_size=8)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [Cue(start=start, end=end, lines=("Hello",)) for start, end in pairs]


@settings(deadline=None, max_examples=100)
@given(cuts(), st.data())
def test_every_frame_is_shown_once_with_its_text(
    cut: tuple[list[Shot], list[Slot], Fraction], data: st.DataObject
) -> None:
    _, slots, fps = cut
    cues = data.draw(texts(film_frames(slots)))
    parts = lettered(reel_of(slots), cues, slots, fps)
    bare = [part.part if isinstance(part, Lettered) else part for part in parts]
    frames = [_shown(part) for part in bare]
    assert [each for shown in frames for each in shown] == [
        each for part in reel_of(slots) for each in _shown(part)
    ]
    at, written = 0, set()
    for part in parts:
        if isinstance(part, Lettered):
            for cue in part.cues:
                assert 0 <= cue.start < cue.end <= part.frames
                written |= set(range(at + cue.start, at + cue.end))
        at += part.frames
    assert written == {frame for cue in cues for frame in range(cue.start, cue.end)}


@settings(deadline=None, max_examples=100)
@given(cuts(), st.data())
def test_what_is_cut_begins_at_a_key_frame_and_nothing_without_text_is_encoded(
    cut: tuple[list[Shot], list[Slot], Fraction], data: st.DataObject
) -> None:
    _, slots, fps = cut
    cues = data.draw(texts(film_frames(slots)))
    for part in lettered(reel_of(slots), cues, slots, fps):
        bare = part.part if isinstance(part, Lettered) else part
        if isinstance(bare, Copied):
            slot = slots[bare.shot]
            keys = key_frames(slot.frames, forced(slot), fps)
            assert bare.start in keys
            if isinstance(part, Lettered):
                edges = [key for key in keys if bare.start <= key < bare.stop] + [bare.stop]
                for start, stop in pairwise(edges):
                    a, b = start - bare.start, stop - bare.start
                    assert any(cue.start < b and a < cue.end for cue in part.cues)


def _shown(part: Copied | Passage) -> list[tuple[object, int]]:
    if isinstance(part, Copied):
        return [(part.shot, frame) for frame in range(part.start, part.stop)]
    return [((part.leaving, part.coming), frame) for frame in range(part.frames)]
