"""A film as it is answered: both axes, takes, money, open gates and outputs with their URLs."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from filmforge.cut.overrun import SUBTITLES_EVENT
from filmforge.domain import Execution, Kind, Review, Stage, Take
from filmforge.fields import Digest, Frozen
from filmforge.gateway.given import OutputView, outputs_of
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import sign_review
from filmforge.ledger.budget import Budget
from filmforge.ledger.films import AtWork, FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.money import Money
from filmforge.quality import Checked

_FRESH_S = 900.0
_MOST_URLS = 100_000
_ATTENTION = (Execution.NEEDS_ATTENTION, Execution.FAILED)


class BudgetView(Frozen):
    """The four figures of a film, in US dollars."""

    limit_usd: Money
    reserved_usd: Money
    spent_usd: Money
    saved_usd: Money


class TakeView(Frozen):
    """One take with a URL that reads it for an hour; `signed_url` reads it with its credentials.

    `checked` is what was found in it when its shot was last made, null where nothing was looked
    for.
    """

    take: int
    kind: Kind
    provider: str
    model: str
    request_key: str
    digest: Digest
    cost_usd: Money
    reused: bool
    note: str | None
    checked: Checked | None
    url: str
    signed_url: str | None = None


class ShotView(Frozen):
    """A shot on both axes, with its take history; `fell_back` are kinds that a fallback made."""

    shot_id: str
    position: int
    execution: Execution
    review: Review
    reason: str | None
    message: str | None
    needs_attention: bool
    fell_back: tuple[Kind, ...]
    takes: tuple[TakeView, ...]


class GateView(Frozen):
    """A frame that waits for a person."""

    shot_id: str
    digest: str
    review_url: str
    expires_at: datetime


class FilmSummary(Frozen):
    """A film at a glance; `progress` counts its shots by review state.

    Where the film itself can't go on, `message` says what is wrong and what helps.
    """

    film_id: str
    title: str
    project: str | None
    priority: int
    execution: Execution
    reason: str | None
    message: str | None
    stop_after: Stage
    shot_count: int
    progress: dict[str, int]
    budget: BudgetView
    created_at: datetime
    ended_at: datetime | None
    status_url: str


class FilmView(FilmSummary):
    """A film with everything in it; `sounds` are those that models make for it.

    `at_work` is how far a long step is, such as its assembly. `remarks` say what was left out of
    it when it was last put together. `gates` are told to those who may decide.
    """

    shots: tuple[ShotView, ...]
    sounds: tuple[ShotView, ...]
    gates: tuple[GateView, ...]
    outputs: tuple[OutputView, ...]
    at_work: AtWork | None
    remarks: tuple[str, ...]


class Links:
    """URLs of assets, made once for a while: signing one takes a third of a millisecond."""

    def __init__(self, gateway: Gateway) -> None:
        self._store = gateway.store
        self._lock = Lock()
        self._made: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    def url(self, digest: str, filename: str = "") -> str:
        """A URL that reads the asset for at least three quarters of an hour."""
        key, moment = (digest, filename), time.monotonic()
        with self._lock:
            made_at, url = self._made.get(key, (0.0, ""))
        if url and moment - made_at < _FRESH_S:
            return url
        url = self._store.url(digest, filename=filename)
        with self._lock:
            self._made[key] = (moment, url)
            self._made.move_to_end(key)
            if len(self._made) > _MOST_URLS:
                self._made.popitem(last=False)
        return url


def status_url(gateway: Gateway, film_id: str) -> str:
    """Where a film is read."""
    return f"{gateway.settings.public_url.rstrip('/')}/v1/films/{film_id}"


def budget_view(budget: Budget) -> BudgetView:
    """The figures of a film as they are answered."""
    return BudgetView(
        limit_usd=budget.limit,
        reserved_usd=budget.reserved,
        spent_usd=budget.spent,
        saved_usd=budget.saved,
    )


def film_summary(gateway: Gateway, film: FilmRecord) -> FilmSummary:
    """A film at a glance; reads the database."""
    return FilmSummary(
        film_id=film.film_id,
        title=film.brief.title,
        project=film.brief.project,
        priority=film.brief.priority,
        execution=film.execution,
        reason=film.reason,
        message=gateway.ledger.films.message(film),
        stop_after=film.stop_after,
        shot_count=film.shot_count,
        progress=gateway.ledger.shots.tally(film.film_id),
        budget=budget_view(gateway.ledger.budget(film.film_id)),
        created_at=film.created_at,
        ended_at=film.ended_at,
        status_url=status_url(gateway, film.film_id),
    )


def film_view(gateway: Gateway, links: Links, film: FilmRecord) -> FilmView:
    """A film with everything in it; reads the database."""
    ledger, film_id = gateway.ledger, film.film_id
    takes = ledger.takes.of_film(film_id)

    def views(records: Sequence[ShotRecord]) -> tuple[ShotView, ...]:
        return tuple(_shot(links, each, takes.get(each.shot.shot_id, ())) for each in records)

    return FilmView(
        **dict(film_summary(gateway, film)),
        shots=views(ledger.shots.of_film(film_id)),
        sounds=views(ledger.shots.sounds_of_film(film_id)),
        gates=tuple(_gates(gateway, film_id)),
        outputs=tuple(outputs_of(gateway, links.url, film_id)),
        at_work=ledger.films.at_work(film),
        remarks=_remarks(gateway, film),
    )


def _remarks(gateway: Gateway, film: FilmRecord) -> tuple[str, ...]:
    if film.brief.subtitles is None:
        return ()
    last = gateway.ledger.events.last(film.film_id, SUBTITLES_EVENT)
    told = last.data["remarks"] if last else []
    return tuple(map(str, told)) if isinstance(told, list) else ()


def _shot(links: Links, record: ShotRecord, takes: Sequence[Take]) -> ShotView:
    return ShotView(
        shot_id=record.shot.shot_id,
        position=record.position,
        execution=record.execution,
        review=record.review,
        reason=record.reason,
        message=record.message,
        needs_attention=record.execution in _ATTENTION,
        fell_back=record.direction.fell_back,
        takes=tuple(_take(links, take, _signed(record, take)) for take in takes),
    )


def _signed(record: ShotRecord, take: Take) -> str | None:
    """The signed copy of a take in use, once the film is released."""
    return record.signed_digest if take.digest == record.video_digest else None


def _take(links: Links, take: Take, signed: str | None) -> TakeView:
    return TakeView(
        take=take.take,
        kind=take.kind,
        provider=take.provider,
        model=take.model,
        request_key=take.request_key,
        digest=take.digest,
        cost_usd=take.cost,
        reused=take.reused,
        note=take.note,
        checked=take.checked,
        url=links.url(take.digest),
        signed_url=links.url(signed) if signed else None,
    )


def _gates(gateway: Gateway, film_id: str) -> list[GateView]:
    views = []
    for gate in gateway.ledger.gates.waiting(film_id):
        url, expires_at = sign_review(gateway.settings, gate)
        views.append(
            GateView(
                shot_id=gate.shot_id, digest=gate.digest, review_url=url, expires_at=expires_at
            )
        )
    return views
