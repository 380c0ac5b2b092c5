"""Check: what a shot's takes and the assembled film are found to be, and what becomes of them."""

import asyncio
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from temporalio import activity

from activities.boundary import film_errors
from activities.presence import heartbeats
from filmforge.brief import Brief
from filmforge.contracts import Conformed, MasterOrder
from filmforge.cut.expected import expected_of_film, expected_of_take
from filmforge.cut.room import CuttingRoom
from filmforge.direction import directed
from filmforge.domain import Kind, Shot
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord
from filmforge.media.findings import film_findings, take_findings
from filmforge.media.loudness import FAINTEST_LUFS
from filmforge.media.quality import EDITION, Measures, measure
from filmforge.quality import (
    OF_FILMS,
    OF_FRAMES,
    OF_TAKES,
    Checked,
    FilmExpectation,
    Outcome,
    Verdict,
    judge,
)
from filmforge.store import AssetStore


class Check:
    """Quality checks, over the ledger and the store; a file is measured once."""

    def __init__(self, ledger: Ledger, store: AssetStore, work_dir: Path) -> None:
        self._ledger = ledger
        self._store = store
        self._work_dir = work_dir
        self._cutting = CuttingRoom(ledger)
        work_dir.mkdir(parents=True, exist_ok=True)

    @activity.defn(name="check_film")
    @film_errors
    async def check_film(self, order: MasterOrder) -> Verdict:
        """Hold the assembled film against its cut, and keep what is found until it is released."""
        async with heartbeats():
            checked = await self._film(order)
            film = (await asyncio.to_thread(self._ledger.assets.read, order.digest)).asset
            await asyncio.to_thread(self._ledger.holds.hold, order.film_id, film, checked)
            return Verdict(outcome=checked.outcome, words=checked.words)

    async def shot(self, record: ShotRecord, brief: Brief) -> Conformed:
        """Hold the takes in use of a shot against what was asked of them; it stands on each."""
        if not brief.quality.looks_for(OF_TAKES):
            return Conformed(outcome=Outcome.OK)
        shot = directed(record.shot, record.direction)
        found = {
            kind: await self._take(record, shot, kind, brief) for kind in _in_use(record, shot)
        }
        outcomes = {checked.outcome for checked in found.values()}
        # A person who is asked anyway is asked before more money is spent on the shot.
        worst = [Outcome.ATTENTION, Outcome.RETAKE, Outcome.WARN, Outcome.OK]
        outcome = next((each for each in worst if each in outcomes), Outcome.OK)
        return Conformed(
            outcome=outcome,
            words=tuple(words for checked in found.values() for words in checked.words),
            retake={
                kind: digest
                for kind, checked in found.items()
                if checked.outcome is Outcome.RETAKE and (digest := record.digest(kind))
            },
        )

    async def _take(self, record: ShotRecord, shot: Shot, kind: Kind, brief: Brief) -> Checked:
        digest, policy = record.digest(kind), brief.quality
        assert digest is not None, "only takes in use are checked"
        expected = expected_of_take(brief, shot, kind)
        findings = take_findings(await self._measures(digest), expected, policy)
        if kind is Kind.IMAGE:
            findings = tuple(each for each in findings if each.check in OF_FRAMES)
        remade = record.direction.remade.get(kind, ())
        verdict = judge(findings, policy, retakes_made=len(remade))
        if kind is Kind.IMAGE or kind in _excused(record):
            verdict = verdict.excused()
        checked = Checked(outcome=verdict.outcome, words=verdict.words, findings=findings)
        await asyncio.to_thread(
            self._ledger.takes.checked, record.film_id, record.shot.shot_id, kind, digest, checked
        )
        return checked

    async def _film(self, order: MasterOrder) -> Checked:
        record = await asyncio.to_thread(self._ledger.films.read, order.film_id)
        policy = record.brief.quality
        if not policy.looks_for(OF_FILMS):
            return Checked(outcome=Outcome.OK)
        measures = await self._measures(order.digest)
        expected = await asyncio.to_thread(self._expected, order.film_id, record.brief)
        findings = film_findings(measures, _reachable(expected, measures), policy)
        # A film has no take that could be made again: a person is asked instead.
        verdict = judge(findings, policy, retakes_made=policy.retakes)
        if order.digest in record.accepted:
            verdict = verdict.excused()
        return Checked(outcome=verdict.outcome, words=verdict.words, findings=findings)

    def _expected(self, film_id: str, brief: Brief) -> FilmExpectation:
        records = self._ledger.shots.of_film(film_id)
        shots = [directed(record.shot, record.direction) for record in records]
        excused: Mapping[str, Collection[Kind]] = {
            record.shot.shot_id: _excused(record) for record in records
        }
        return expected_of_film(brief, self._cutting.timeline(film_id), shots, excused)

    async def _measures(self, digest: str) -> Measures:
        known = await asyncio.to_thread(self._ledger.measurements.of, digest, EDITION)
        if known is not None:
            return Measures.model_validate(known)
        with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
            path = Path(folder) / "file"
            await self._store.fetch(digest, path)
            measures = await measure(path)
        found = measures.model_dump(mode="json")
        await asyncio.to_thread(self._ledger.measurements.keep, digest, EDITION, found)
        return measures


def _in_use(record: ShotRecord, shot: Shot) -> list[Kind]:
    """The kinds of take that the shot is made from: an own clip has no frame."""
    own_clip = Kind.VIDEO in record.direction.replaced
    needed = {Kind.IMAGE: not own_clip, Kind.VIDEO: True, Kind.AUDIO: bool(shot.dialogue)}
    return [kind for kind, wanted in needed.items() if wanted and record.digest(kind)]


def _excused(record: ShotRecord) -> frozenset[Kind]:
    """The kinds whose take in use a person gave, or accepted as it is."""
    direction = record.direction
    given = {*direction.replaced.values(), *direction.accepted}
    return frozenset(kind for kind in Kind if record.digest(kind) in given)


def _reachable(expected: FilmExpectation, measures: Measures) -> FilmExpectation:
    """What is as good as silent is left as it is by the mix, so no loudness is asked of it."""
    lufs = measures.sound.lufs if measures.sound else None
    if lufs is not None and lufs >= FAINTEST_LUFS:
        return expected
    return expected.model_copy(update={"lufs": None})
