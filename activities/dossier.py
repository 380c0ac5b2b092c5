"""The dossier: everything the ledger knows about the making of a film, for those who publish it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from opentimelineio.schema import Timeline

from filmforge.brief import Brief
from filmforge.cut.origins import frame_of
from filmforge.cut.room import used_of
from filmforge.cut.shown import Seen, shots_seen
from filmforge.cut.timeline import DIALOGUE, scenes_of
from filmforge.cut.tracks import digest_of, named
from filmforge.delivery import FilmFacts, Slate
from filmforge.direction import directed
from filmforge.domain import Kind, Shot, Take
from filmforge.ledger import Ledger
from filmforge.ledger.gates import Gate
from filmforge.ledger.shots import ShotRecord
from filmforge.look import Look
from filmforge.provenance.facts import Approved, Claim, Edit, MadeWith, Role
from filmforge.subtitles import END_CARD, TITLE_CARD

_LANES = {
    DIALOGUE: Role.VOICE,
    "Music": Role.MUSIC,
    "Ambience": Role.AMBIENCE,
    "Effects": Role.EFFECT,
}
_ROLES = {Kind.IMAGE: Role.FRAME, Kind.VIDEO: Role.CLIP, Kind.AUDIO: Role.VOICE}
_CARDS = {TITLE_CARD: "title", END_CARD: "end"}
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
        self._frames = self._frames_of_clips()
        self._approved = {(g.shot_id, g.digest): g for g in ledger.gates.approved(film_id)}
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
            edits=tuple(self._edits()),
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
        frame = self._frames[shot_id][take.digest]
        mine = [made for made in self.made_with if made.shot_id == shot_id]
        title = f"{self.brief.title} · {shot_id}" if self.brief.title else shot_id
        return Claim(
            title=title[:200],
            itself=_made(Role.CLIP, shot_id, take, used=True),
            made_with=tuple(made for made in mine if made.digest == frame),
            approvals=tuple(self._approvals_of(shot_id, [frame])),
        )

    def _frames_of_clips(self) -> dict[str, dict[str, str | None]]:
        """The frame that each clip that is seen was made from, by the clip's shot and digest."""
        seen = {(each.shot_id, each.digest) for each in self._seen}
        clips = [
            (shot_id, take)
            for shot_id, takes in self._takes.items()
            for take in takes
            if (shot_id, take.digest) in seen
        ]
        requests = self._ledger.journal.requests(sorted({take.request_key for _, take in clips}))
        found: dict[str, dict[str, str | None]] = {}
        for shot_id, take in clips:
            frame = frame_of(requests.get(take.request_key))
            found.setdefault(shot_id, {})[take.digest] = frame
        return found

    def _made_with(self) -> Iterator[MadeWith]:
        """Every take of the film, and the files that somebody else brought."""
        known: set[str] = set()
        for shot_id, takes in self._takes.items():
            frames = self._frames.get(shot_id, {})
            for take in takes:
                in_film = {
                    Kind.IMAGE: take.digest in frames.values(),
                    Kind.VIDEO: take.digest in frames,
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
        for shot_id in dict.fromkeys(each.shot_id for each in self._seen):
            yield from self._approvals_of(shot_id, self._frames.get(shot_id, {}).values())

    def _approvals_of(self, shot_id: str, frames: Iterable[str | None]) -> list[Approved]:
        """Who approved a shot; nobody did unless every frame behind what is seen was approved."""
        given = [self._approved.get((shot_id, frame or "")) for frame in dict.fromkeys(frames)]
        people = [gate for gate in given if gate and gate.who != "timeout"]
        if len(people) < len(given):
            return []
        return [Approved(by=_by(gate), at=gate.decided_at, shot_id=shot_id) for gate in people]

    def _edits(self) -> Iterator[Edit]:
        brief, scenes = self.brief, set(scenes_of(self._timeline))
        joined = "Shots brought to one size and rate, and joined"
        yield Edit(action="transcoded", description=joined)
        if any(each.in_part for each in self._seen if each.shot_id in self._shots):
            yield Edit(action="trimmed", description="Shots shown in part")
        if any(brief.look_of(scene) != Look() for scene in scenes):
            yield Edit(action="adjustedColor", description="Graded")
        if cards := _cards({each.shot_id for each in self._seen}):
            yield Edit(action="addedText", description=cards)
        if brief.subtitles and brief.subtitles.burn_in:
            burnt = f"Subtitles in the picture: {brief.subtitles.burn_in}"
            yield Edit(action="addedText", description=burnt)
        if brief.subtitles and brief.subtitles.soft:
            languages = ", ".join(track.language for track in brief.subtitles.tracks)
            yield Edit(action="addedText", description=f"Subtitle tracks: {languages[:70]}")

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


def _cards(seen: Collection[str]) -> str:
    """The cards among what is seen, in words; empty when there are none."""
    names = [name for shot_id, name in _CARDS.items() if shot_id in seen]
    return f"{' and '.join(names)} card{'s' * (len(names) > 1)}".capitalize() if names else ""
