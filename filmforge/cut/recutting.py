"""A recut as slots and tracks: what an edited file says, in the words of the film's own cut."""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from opentimelineio.schema import Clip, Track
from pydantic import Field, ValidationError

from filmforge.cut.layout import Slot
from filmforge.cut.tracks import Laid, markers_of, reference, sound_track, span
from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.interchange.recut import Heard, Recut
from filmforge.interchange.timeline import OURS
from filmforge.sound import GainDb


class _Played(Frozen):
    """How a sound is played, as far as its file says so in our own words."""

    gain_db: GainDb = 0.0
    fade_in: int = Field(default=0, ge=0)
    fade_out: int = Field(default=0, ge=0)
    loop: bool = False


def slots_of_recut(recut: Recut) -> list[Slot]:
    """Where each stretch of a recut lies; one that shows no shot has no shot id."""
    before = [recut.opening, *(part.transition for part in recut.shown)]
    return [
        Slot(
            shot_id=part.shot_id or "",
            start=part.start,
            frames=part.frames,
            head=coming.head if coming else 0,
            tail=leaving.tail if leaving else 0,
            style=leaving.style if leaving else "cut",
            opening=coming.style if coming and index == 0 else "cut",
        )
        for index, (part, (coming, leaving)) in enumerate(
            zip(recut.shown, pairwise(before), strict=True)
        )
    ]


def tracks_of_recut(recut: Recut) -> list[Track] | None:
    """The tracks of sound of a recut, None if its file carries none. Raises BadInput."""
    if recut.heard is None:
        return None
    rate = float(recut.fps)
    ordered = sorted(recut.heard, key=lambda heard: (heard.track, heard.at))
    return [
        sound_track(name, _laid(list(heard), rate), rate)
        for name, heard in groupby(ordered, key=lambda heard: heard.track)
    ]


def _laid(heard: Iterable[Heard], rate: float) -> Iterator[Laid]:
    for each in heard:
        assert each.digest is not None, "a recut is settled before it is kept"
        whole = max(each.available or 0, each.start + each.frames)
        clip = Clip(
            name=each.name,
            media_reference=reference(each.digest, whole, rate),
            source_range=span(each.start, each.frames, rate),
            metadata={OURS: {**each.facts, **_played(each).model_dump(), "digest": each.digest}},
            markers=markers_of(each.marks, rate),
        )
        yield Laid(each.at, clip)


def _played(heard: Heard) -> _Played:
    told = {name: heard.facts[name] for name in _Played.model_fields if name in heard.facts}
    try:
        return _Played.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"{heard.track} {heard.name!r}: {first['loc'][0]}",
            first["msg"],
            "Leave FilmForge's own metadata as it was exported.",
        ) from None
