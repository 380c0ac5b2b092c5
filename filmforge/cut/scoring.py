"""The score of a cut: where each shot's own sound and its line lie on the sample clock."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from opentimelineio.schema import Clip, Timeline

from filmforge.cut.layout import Slot, film_frames, starts
from filmforge.cut.timeline import DIALOGUE, rate_of, slots_of
from filmforge.cut.tracks import Laid, digest_of, laid_on, named
from filmforge.interchange.timeline import OURS
from filmforge.media.sample_clock import SAMPLE_RATE, samples_at
from filmforge.media.score import Ducking, Entry, Role, Score

# A line that its shot is too short for fades out with it.
_CUT_SHORT = SAMPLE_RATE // 10
_ROLES: Mapping[str, Role] = {
    DIALOGUE: "dialogue",
    "Effects": "effects",
    "Ambience": "ambience",
    "Music": "music",
}
# A place's sound goes over into itself unheard; music that loops keeps its beat.
_LOOP_SEAM: Mapping[Role, int] = {"ambience": SAMPLE_RATE, "music": 0, "effects": 0, "dialogue": 0}


def score_of(timeline: Timeline, pieces: Sequence[str], ducking: Ducking) -> Score:
    """The score of a film; `pieces` are the digests of its conformed shots, in order."""
    slots, fps = slots_of(timeline), rate_of(timeline)
    entries = [*own_sounds(slots, pieces, fps), *_sounds(timeline, fps)]
    return Score.of(entries, samples_at(film_frames(slots), fps), ducking)


def own_sounds(slots: Sequence[Slot], pieces: Sequence[str], fps: Fraction) -> list[Entry]:
    """Each shot's own sound; it changes with the picture.

    At equal power where two shots overlap, and into silence where one goes to a colour.
    """
    return [
        _own_sound(slot, piece, start, fps)
        for slot, piece, start in zip(slots, pieces, starts(slots), strict=False)
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


def _sounds(timeline: Timeline, fps: Fraction) -> Iterator[Entry]:
    for name, role in _ROLES.items():
        for track in named(timeline, name):
            for laid in laid_on(track):
                yield _sound(laid, role, fps)


def _sound(laid: Laid, role: Role, fps: Fraction) -> Entry:
    at, clip = laid
    shown, told = clip.source_range, clip.metadata[OURS]
    end = at + int(shown.duration.value)
    begin, stop = samples_at(at, fps), samples_at(end, fps)
    fade_out = stop - samples_at(end - told.get("fade_out", 0), fps)
    if role == "dialogue" and _is_cut(clip):
        fade_out = min(stop - begin, _CUT_SHORT)
    return Entry(
        role=role,
        source=digest_of(clip),
        start=begin,
        offset=samples_at(int(shown.start_time.value), fps),
        length=stop - begin,
        gain_db=told.get("gain_db", 0.0),
        fade_in=samples_at(at + told.get("fade_in", 0), fps) - begin,
        fade_out=fade_out,
        loop=told.get("loop", False),
        seam=_LOOP_SEAM[role],
    )


def _is_cut(clip: Clip) -> bool:
    whole, shown = clip.available_range(), clip.source_range
    return bool(shown.end_time_exclusive() < whole.end_time_exclusive())
