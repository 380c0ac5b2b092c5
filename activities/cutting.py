"""Cutting: the film's timeline, from what the ledger knows of its shots and takes."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from opentimelineio.schema import Timeline

from filmforge.cut.layout import Slot, frames_of, lay_out
from filmforge.cut.sounds import placed
from filmforge.cut.timeline import Heading, Picked, timeline_of
from filmforge.direction import directed
from filmforge.domain import Brief, Kind, Review, Take
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord

# A line begins this long after its shot.
LEAD_S = Fraction(1, 4)


class CuttingRoom:
    """Builds the timeline of a film, over the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def timeline(self, film_id: str) -> Timeline:
        """The timeline of every shot that is not left out. Raises BadInput for one with no clip."""
        brief = self._ledger.films.read(film_id).brief
        kept = shown(self._ledger.shots.of_film(film_id))
        takes = self._ledger.takes.of_film(film_id)
        output = brief.output
        heading = Heading(
            film_id=film_id,
            title=brief.title,
            fps=output.fps,
            width=output.width,
            height=output.height,
        )
        slots = slots_of_shots(kept, brief)
        picked = [
            self._picked(record, slot, takes.get(record.shot.shot_id, []), output.fps)
            for record, slot in zip(kept, slots, strict=True)
        ]
        shots = [each.shot for each in picked]
        lengths = {d: self._frames(d, output.fps) for d in brief.sound.digests}
        sounds = placed(brief.sound, shots, slots, lengths, output.fps)
        return timeline_of(heading, picked, round(LEAD_S * output.fps), sounds)

    def _picked(
        self, record: ShotRecord, slot: Slot, takes: Sequence[Take], fps: Fraction
    ) -> Picked:
        shot = directed(record.shot, record.direction)
        used = _used(record, takes)
        if Kind.VIDEO not in used:
            raise BadInput("video", f"{shot.shot_id} has no clip yet", "Retry the shot.")
        if not shot.dialogue:
            used.pop(Kind.AUDIO, None)
        voice = used.get(Kind.AUDIO)
        return Picked(
            shot=shot,
            slot=slot,
            takes=used,
            clip_frames=max(frames_of(shot.duration, fps), slot.start + slot.frames),
            voice_frames=self._frames(voice.digest, fps) if voice else 0,
        )

    def _frames(self, digest: str, fps: Fraction) -> int:
        """How many frames a sound lasts, the last one counted whole."""
        seconds = self._ledger.assets.read(digest).asset.duration_s or 0
        return ceil(Fraction(seconds) * fps)


def shown(records: Sequence[ShotRecord]) -> list[ShotRecord]:
    """The shots that are not left out."""
    return [record for record in records if record.review != Review.OMITTED]


def slots_of_shots(records: Sequence[ShotRecord], brief: Brief) -> list[Slot]:
    """Where each of these shots lies, if they are the whole film."""
    shots = [directed(record.shot, record.direction) for record in records]
    return lay_out(shots, brief.output.fps, brief.transition, brief.opening, brief.trim)


def _used(record: ShotRecord, takes: Sequence[Take]) -> dict[Kind, Take]:
    """The takes in use, by kind."""
    by_digest: Mapping[str, Take] = {take.digest: take for take in takes}
    found = {kind: by_digest.get(record.digest(kind) or "") for kind in Kind}
    return {kind: take for kind, take in found.items() if take}
