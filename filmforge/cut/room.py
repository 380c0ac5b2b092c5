"""The cutting room: the film's timeline, from what the ledger knows of its shots and takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from opentimelineio.schema import Timeline, Track

from filmforge.brief import Brief, Film
from filmforge.cut.cards import card_recipe, cards_of, opening_of, with_cards
from filmforge.cut.layout import Slot, film_frames, frames_of, lay_out
from filmforge.cut.recutting import slots_of_recut, tracks_of_recut
from filmforge.cut.sounds import placed, sound_with_digests
from filmforge.cut.timeline import Heading, Picked, Plain, Stretch, heard_with, timeline_of
from filmforge.direction import directed
from filmforge.domain import Kind, Review, Shot, Take
from filmforge.errors import BadInput
from filmforge.fields import Digest
from filmforge.interchange.recut import Recut
from filmforge.ledger import Ledger
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.subtitles import Card

# A line begins this long after its shot.
LEAD_S = Fraction(1, 4)
# What of the brief decides how a film looks and sounds, besides its cut.
_FINISH = {"output", "look", "scenes", "sound", "subtitles"}


@dataclass(frozen=True)
class Rushes:
    """What there is of a shot: the takes in use by kind, and every take by its digest."""

    shot: Shot
    used: Mapping[Kind, Take]
    takes: Mapping[Digest, Take]


@dataclass(frozen=True)
class Near:
    """A shot between its neighbours: their slots as they join, and the pieces there are of them."""

    slots: Sequence[Slot]
    pieces: Mapping[str, Digest]

    def slot(self, shot_id: str) -> Slot:
        """Where a shot lies as far as its neighbours decide it."""
        return next(slot for slot in self.slots if slot.shot_id == shot_id)


class CuttingRoom:
    """Builds the timeline of a film, over the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def timeline(self, film_id: str, recut: Recut | None = None) -> Timeline:
        """The timeline of a film: as it was recut, or of every shot that is not left out.

        `recut` is tried in place of the one that is kept. Cards must have been drawn. Raises
        BadInput for a shot without a clip and for what a recut cannot show.
        """
        film = self._ledger.films.read(film_id)
        if recut is None and film.recut:
            recut = Recut.model_validate(film.recut)
        records = self._ledger.shots.of_film(film_id)
        if recut is not None:  # it says itself what is left out
            return self._recut(film, self._rushes(film, records), recut)
        rushes = self._rushes(film, shown(records))
        kept = [each.shot for each in rushes.values()]
        slots = lay_out_film(kept, film.brief)
        picked = [
            self._picked(each, slot, each.used, film.brief.output.fps)
            for each, slot in zip(rushes.values(), slots, strict=True)
        ]
        return timeline_of(_heading(film), picked, self._heard(film.film_id, film.brief, picked))

    def near(self, film: FilmRecord, position: int) -> Near:
        """The shot at a place with those beside it, cards among them."""
        records = shown(self._ledger.shots.of_film(film.film_id, max(0, position - 1), 3))
        shots = with_cards([directed(each.shot, each.direction) for each in records], film.brief)
        pieces = {each.shot.shot_id: each.conformed_digest for each in records}
        return Near(
            slots=lay_out_film(shots, film.brief),
            pieces={shot_id: piece for shot_id, piece in pieces.items() if piece},
        )

    def _recut(self, film: FilmRecord, rushes: Mapping[str, Rushes], recut: Recut) -> Timeline:
        fps, seen = film.brief.output.fps, set[str]()
        stretches: list[Stretch] = []
        for part, slot in zip(recut.shown, slots_of_recut(recut), strict=True):
            if not part.shot_id or not part.digest:
                stretches.append(Plain(slot=slot, colour=part.colour or "black"))
                continue
            each = rushes.get(part.shot_id)
            if each is None or part.digest not in each.takes:
                problem = f"the film has no such take of {part.shot_id!r} any more"
                raise BadInput("recut", problem, "Import the cut again.")
            spoken = dict(each.used) if part.shot_id not in seen else {}  # its line is said once
            used = {**spoken, Kind.VIDEO: each.takes[part.digest]}
            picked = self._picked(each, slot, used, fps)
            stretches.append(picked.model_copy(update={"marks": part.marks}))
            seen.add(part.shot_id)
        heading = _heading(film).model_copy(update={"start": recut.tc_start, "marks": recut.marks})
        heard = tracks_of_recut(recut)
        if heard is None:
            heard = self._heard(film.film_id, film.brief, stretches)
        return timeline_of(heading, stretches, heard)

    def _heard(self, film_id: str, brief: Brief, stretches: Sequence[Stretch]) -> list[Track]:
        """The film's own sound under these stretches."""
        fps = brief.output.fps
        sound = sound_with_digests(brief.sound, self._ledger.shots.sounds_of_film(film_id))
        lengths = {digest: self._frames(digest, fps) for digest in sound.digests}
        scenes = {
            each.slot.shot_id: each.shot.scene_id for each in stretches if isinstance(each, Picked)
        }
        slots = [each.slot for each in stretches]
        sounds = placed(sound, scenes, slots, lengths, fps)
        return heard_with(stretches, fps, round(LEAD_S * fps), sounds)

    def _rushes(self, film: FilmRecord, records: Sequence[ShotRecord]) -> dict[str, Rushes]:
        """What there is of these shots and of the film's cards, in order."""
        takes = self._ledger.takes.of_film(film.film_id)
        found = {}
        for record in records:
            mine = takes.get(record.shot.shot_id, [])
            shot = directed(record.shot, record.direction)
            found[shot.shot_id] = Rushes(shot, used_of(record, mine), {t.digest: t for t in mine})
        cards = cards_of(film.brief)
        rows = with_cards([each.shot for each in found.values()], film.brief)
        return {
            shot.shot_id: found.get(shot.shot_id) or self._drawn(shot, cards[shot.shot_id], film)
            for shot in rows
        }

    def _drawn(self, shot: Shot, card: Card, film: FilmRecord) -> Rushes:
        recipe = card_recipe(card, film.brief.output)
        made = self._ledger.makings.of(recipe.key)
        if not made:
            raise BadInput(shot.shot_id, "the card is not drawn yet", "Wait for the film.")
        take = Take(
            take=1,
            kind=Kind.VIDEO,
            provider=recipe.provider,
            model="card",
            request_key=recipe.key,
            digest=made[0].digest,
            cost=Decimal(0),
            reused=False,
        )
        return Rushes(shot, {Kind.VIDEO: take}, {take.digest: take})

    def _picked(
        self, rushes: Rushes, slot: Slot, used: Mapping[Kind, Take], fps: Fraction
    ) -> Picked:
        shot, takes = rushes.shot, dict(used)
        if Kind.VIDEO not in takes:
            raise BadInput("video", f"{shot.shot_id} has no clip yet", "Retry the shot.")
        if not shot.dialogue:
            takes.pop(Kind.AUDIO, None)
        voice = takes.get(Kind.AUDIO)
        return Picked(
            shot=shot,
            slot=slot,
            takes=takes,
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


def lay_out_film(shots: Sequence[Shot], brief: Brief) -> list[Slot]:
    """Where each shot of a film lies, its cards among them."""
    return lay_out(shots, brief.output.fps, brief.transition, opening_of(brief), brief.trim)


def submitted_frames(film: Film) -> int:
    """How many frames a film lasts as it was submitted, its cards among them."""
    return film_frames(lay_out_film(with_cards(film.shots, film), film))


def _heading(film: FilmRecord) -> Heading:
    output = film.brief.output
    return Heading(
        film_id=film.film_id,
        title=film.brief.title,
        fps=output.fps,
        width=output.width,
        height=output.height,
        finish=film.brief.model_dump(mode="json", include=_FINISH),
    )


def used_of(record: ShotRecord, takes: Sequence[Take]) -> dict[Kind, Take]:
    """The takes in use, by kind."""
    by_digest: Mapping[str, Take] = {take.digest: take for take in takes}
    found = {kind: by_digest.get(record.digest(kind) or "") for kind in Kind}
    return {kind: take for kind, take in found.items() if take}
