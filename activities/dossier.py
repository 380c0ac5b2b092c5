"""The dossier: everything the ledger knows about the making of a film, for those who publish it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from opentimelineio.schema import Timeline

from filmforge.brief import Brief
from filmforge.cut.room import used_of
from filmforge.cut.shown import Seen, shots_seen
from filmforge.cut.timeline import DIALOGUE
from filmforge.cut.tracks import digest_of, named
from filmforge.delivery import FilmFacts, Slate
from filmforge.direction import directed
from filmforge.domain import Kind, Shot, Take
from filmforge.ledger import Ledger
from filmforge.ledger.gates import Gate
from filmforge.ledger.shots import ShotRecord
from filmforge.look import Look
from filmforge.provenance.facts import Approved, Claim, Edit, MadeWith, Role

_LANES = {
    DIALOGUE: Role.VOICE,
    "Music": Role.MUSIC,
    "Ambience": Role.AMBIENCE,
    "Effects": Role.EFFECT,
}
_ROLES = {Kind.IMAGE: Role.FRAME, Kind.VIDEO: Role.CLIP, Kind.AUDIO: Role.VOICE}
_UPLOAD = "upload"
# What acts where no person is named: the audit trail keeps it, a published file need not.
_NOBODY = ("key ", "webhook", "review link")
_MOST_NAME = 100


class Clip(NamedTuple):
    """A clip in use, and what is known about it."""

    shot_id: str
    digest: str
    claim: Claim


class Dossier:
    """One film as it was cut; reads the ledger once, blocking."""

    def __init__(self, ledger: Ledger, film_id: str, timeline: Timeline) -> None:
        self.brief: Brief = ledger.films.read(film_id).brief
        self._ledger = ledger
        self._film_id = film_id
        self._timeline = timeline
        self._seen = list(shots_seen(timeline))
        self._shots = {each.shot.shot_id: each for each in ledger.shots.of_film(film_id)}
        self._takes = ledger.takes.of_film(film_id)
        self._lanes = {
            digest_of(clip): role
            for lane, role in _LANES.items()
            for track in named(timeline, lane)
            for clip in track.find_clips()
        }
        self.made_with = tuple(self._made_with())
        self.approvals = tuple(self._approvals())

    @property
    def claim(self) -> Claim:
        """What the finished film says about itself."""
        return Claim(
            title=self.brief.title,
            made_with=self.made_with,
            edits=tuple(_edits(self.brief)),
            approvals=self.approvals,
        )

    @property
    def facts(self) -> FilmFacts:
        """What deliveries tell of the film."""
        return FilmFacts(
            title=self.brief.title,
            shots=tuple(
                _slate(seen, self._shot(seen.shot_id))
                for seen in self._seen
                if seen.shot_id in self._shots
            ),
        )

    @property
    def clips(self) -> Sequence[Clip]:
        """The clip of every shot that the film shows, with what it is made from."""
        seen = {(each.shot_id, each.digest) for each in self._seen}
        return [
            Clip(shot_id, take.digest, self._clip_claim(shot_id, take))
            for shot_id, record in self._shots.items()
            for take in self._used(record)
            if take.kind is Kind.VIDEO and (shot_id, take.digest) in seen
        ]

    def _clip_claim(self, shot_id: str, take: Take) -> Claim:
        itself = _made(Role.CLIP, shot_id, take, used=True)
        mine = [made for made in self.made_with if made.shot_id == shot_id]
        frames = [] if itself.supplied else [made for made in mine if made.role is Role.FRAME]
        title = f"{self.brief.title} · {shot_id}" if self.brief.title else shot_id
        return Claim(
            title=title[:200],
            itself=itself,
            made_with=tuple(frames),
            approvals=tuple(each for each in self.approvals if each.shot_id == shot_id),
        )

    def _made_with(self) -> Iterator[MadeWith]:
        """Every take of the film, and the files that somebody else brought."""
        shown = {(each.shot_id, each.digest) for each in self._seen}
        known: set[str] = set()
        for shot_id, takes in self._takes.items():
            used = self._used(self._shots[shot_id]) if shot_id in self._shots else []
            clips = [take for take in takes if (shot_id, take.digest) in shown]
            from_frame = any(take.provider != _UPLOAD for take in clips)
            for take in takes:
                in_film = {
                    Kind.IMAGE: take in used and from_frame,
                    Kind.VIDEO: take in clips,
                    Kind.AUDIO: take.digest in self._lanes,
                }[take.kind]
                role = self._lanes.get(take.digest, _ROLES[take.kind])
                known.add(take.digest)
                yield _made(role, shot_id, take, used=in_film)
        for digest, role in self._lanes.items():
            if digest not in known:
                yield self._brought(digest, role)

    def _brought(self, digest: str, role: Role) -> MadeWith:
        found = self._ledger.assets.read(digest)
        return MadeWith(
            role=role,
            provider=found.provider,
            model=found.model,
            digest=digest,
            request_key=found.request_key or digest,
        )

    def _approvals(self) -> Iterator[Approved]:
        approved = {(g.shot_id, g.digest): g for g in self._ledger.gates.approved(self._film_id)}
        for shot_id in dict.fromkeys(each.shot_id for each in self._seen):
            record = self._shots.get(shot_id)
            gate = approved.get((shot_id, (record and record.image_digest) or ""))
            if gate and gate.who != "timeout":
                yield Approved(by=_by(gate), at=gate.decided_at, shot_id=shot_id)

    def _used(self, record: ShotRecord) -> list[Take]:
        return [*used_of(record, self._takes.get(record.shot.shot_id, ())).values()]

    def _shot(self, shot_id: str) -> Shot:
        record = self._shots[shot_id]
        return directed(record.shot, record.direction)


def _made(role: Role, shot_id: str, take: Take, *, used: bool) -> MadeWith:
    return MadeWith(
        role=role,
        provider=take.provider,
        model=take.model,
        shot_id=shot_id,
        take=take.take,
        digest=take.digest,
        request_key=take.request_key,
        reused=take.reused,
        used=used,
    )


def _by(gate: Gate) -> str | None:
    """The name of a person who gave one."""
    if gate.who is None or gate.who.startswith(_NOBODY):
        return None
    return gate.who[:_MOST_NAME].strip() or None


def _slate(seen: Seen, shot: Shot) -> Slate:
    return Slate(
        shot_id=seen.shot_id,
        start=seen.start,
        frames=seen.frames,
        shot_number=shot.shot_number,
        shot_type=shot.shot_type,
        dialogue=shot.dialogue or "",
    )


def _edits(brief: Brief) -> Iterator[Edit]:
    yield Edit(action="transcoded", description="Shots brought to one size and rate, and joined")
    if brief.trim:
        yield Edit(action="trimmed", description="Shots shown in part")
    if any(look != Look() for look in (brief.look, *(each.look for each in brief.scenes.values()))):
        yield Edit(action="adjustedColor", description="Graded")
    if brief.title_card or brief.end_card:
        yield Edit(action="addedText", description="Title and end cards")
    if brief.subtitles and brief.subtitles.burn_in:
        yield Edit(
            action="addedText", description=f"Subtitles in the picture: {brief.subtitles.burn_in}"
        )
    if brief.subtitles and brief.subtitles.soft:
        languages = ", ".join(track.language for track in brief.subtitles.tracks)
        yield Edit(action="addedText", description=f"Subtitle tracks: {languages[:70]}")
