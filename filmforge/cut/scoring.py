"""The score of a cut: where each shot's own sound and its line lie on the sample clock."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate

from opentimelineio.schema import Clip, Timeline

from filmforge.cut.layout import Slot, film_frames
from filmforge.cut.timeline import DIALOGUE, digest_of, rate_of, slots_of, track_of
from filmforge.media.sample_clock import SAMPLE_RATE, samples_at
from filmforge.media.score import Ducking, Entry, Score

# A line that its shot is too short for fades out with it.
_CUT_SHORT_S = Fraction(1, 10)


def score_of(timeline: Timeline, pieces: Sequence[str], ducking: Ducking) -> Score:
    """The score of a film; `pieces` are the digests of its conformed shots, in order."""
    slots, fps = slots_of(timeline), rate_of(timeline)
    entries = [*own_sounds(slots, pieces, fps), *_lines(timeline, fps)]
    return Score.of(entries, samples_at(film_frames(slots), fps), ducking)


def own_sounds(slots: Sequence[Slot], pieces: Sequence[str], fps: Fraction) -> list[Entry]:
    """Each shot's own sound; it changes with the picture.

    At equal power where two shots overlap, and into silence where one goes to a colour.
    """
    starts = accumulate((slot.frames - slot.overlap for slot in slots), initial=0)
    return [
        _own_sound(slot, piece, start, fps)
        for slot, piece, start in zip(slots, pieces, starts, strict=False)
    ]


def _own_sound(slot: Slot, piece: str, start: int, fps: Fraction) -> Entry:
    begin, end = samples_at(start, fps), samples_at(start + slot.frames, fps)
    return Entry(
        role="production",
        source=piece,
        start=begin,
        length=end - begin,
        fade_in=samples_at(start + slot.head, fps) - begin,
        fade_out=end - samples_at(start + slot.frames - slot.tail, fps),
    )


def _lines(timeline: Timeline, fps: Fraction) -> Iterator[Entry]:
    track = track_of(timeline, DIALOGUE)
    for clip in track.find_clips():
        start = int(track.range_of_child(clip).start_time.value)
        shown = clip.source_range
        begin, end = samples_at(start, fps), samples_at(start + int(shown.duration.value), fps)
        yield Entry(
            role="dialogue",
            source=digest_of(clip),
            start=begin,
            offset=samples_at(int(shown.start_time.value), fps),
            length=end - begin,
            fade_out=min(end - begin, round(_CUT_SHORT_S * SAMPLE_RATE)) if _is_cut(clip) else 0,
        )


def _is_cut(clip: Clip) -> bool:
    whole, shown = clip.available_range(), clip.source_range
    return bool(shown.end_time_exclusive() < whole.end_time_exclusive())
