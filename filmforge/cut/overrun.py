"""Subtitles that go on beyond the end of a film: what is still shown of them, and what is told."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from filmforge.subtitles import Cue

# The event that tells of the film as it was last put together.
SUBTITLES_EVENT = "film.subtitles"


def within(cues: Sequence[Cue], frames: int) -> tuple[Cue, ...]:
    """The cues that begin before the film's end; one that lasts beyond it is cut short."""
    return tuple(
        cue.model_copy(update={"end": min(cue.end, frames)}) for cue in cues if cue.start < frames
    )


def late(cues: Sequence[Cue], frames: int) -> int:
    """How many cues begin when the film has ended."""
    return sum(cue.start >= frames for cue in cues)


def overruns(tracks: Mapping[str, Sequence[Cue]], frames: int, fps: Fraction) -> tuple[str, ...]:
    """A line for each language whose cues go on beyond the film's end."""
    told = ((language, ", ".join(_told(cues, frames))) for language, cues in tracks.items())
    end = f"the film's end, at {float(frames / fps):.2f} s"
    return tuple(f"subtitles {language}: beyond {end}: {what}" for language, what in told if what)


def _told(cues: Sequence[Cue], frames: int) -> Iterator[str]:
    if count := late(cues, frames):
        yield f"{count} of {len(cues)} are left out"
    if any(cue.start < frames < cue.end for cue in cues):
        yield "the last is cut short"
