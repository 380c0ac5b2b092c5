"""Reconciliations: what the journal says was sent to a provider beside what it lists itself."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from filmforge.domain import GenerationRequest
from filmforge.errors import BadInput, CreateAmbiguous, NotConfigured, NotFound
from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.matching import Journal, Line, Outcome, Theirs, compare
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger import Ledger
from filmforge.ledger.posting import Posting
from filmforge.ledger.tables import journal_entries
from filmforge.providers.base import CLOCK_MARGIN, Listed, Provider
from filmforge.providers.catalogue import Recovery

MAX_JOBS = 10_000
_STEP = timedelta(days=1)
_LONGEST = timedelta(days=366)
# Where a list was cut, what was sent within this much of it may be on one side only.
_EDGE = timedelta(minutes=10)
_IDS_AT_ONCE = 500

router = APIRouter(prefix="/v1", tags=["costs"], dependencies=[Depends(caller)])


class Span(BaseModel):
    """Which provider, and from when to when; a time without a zone is in UTC."""

    model_config = ConfigDict(extra="forbid")

    provider: str
    since: datetime
    until: datetime | None = None


class Reconciliation(Frozen):
    """A journal and a provider's list compared, a line each for what was sent within the span.

    Without `told` the provider has no list, and `notes` say so. With `cut` there was more than
    10,000 jobs: `since` is then the moment from which on everything was compared.
    """

    provider: str
    account: str
    since: datetime
    until: datetime
    told: bool
    cut: bool
    notes: tuple[str, ...]
    counts: dict[Outcome, int]
    lines: tuple[Line, ...]


@router.get("/reconciliations", response_model=Reconciliation)
async def reconcile(request: Request, span: Annotated[Span, Query()]) -> Response:
    """The journal beside what the provider lists; nothing is changed by it."""
    gateway = gateway_of(request)
    provider = _provider(gateway, span.provider)
    since, until = _bounds(span)
    listed, listed_since, why = await _listing(provider, since, until)
    postings, ours_since = await asyncio.to_thread(
        _postings, gateway.ledger, provider.name, since, until
    )
    compared_since = max(since, listed_since, ours_since)
    theirs = Theirs(
        provider=provider.name,
        listed=listed,
        lists=lambda request: why is None and _lists(provider, request),
        account=provider.account,
        sure_until=datetime.now(UTC)
        - timedelta(seconds=provider.submit_timeout_s + provider.listing_lag_s),
    )
    lines = await asyncio.to_thread(
        _compare, gateway.ledger, postings, theirs, compared_since, until
    )
    cut = compared_since > since
    counts = Counter(line.outcome for line in lines)
    return json_response(
        Reconciliation(
            provider=provider.name,
            account=provider.account,
            since=compared_since,
            until=until,
            told=why is None,
            cut=cut,
            notes=_notes(why, cut, compared_since),
            counts={outcome: counts[outcome] for outcome in Outcome},
            lines=lines,
        )
    )


def _provider(gateway: Gateway, name: str) -> Provider:
    try:
        return gateway.registry.get(name)
    except NotConfigured as error:
        raise BadInput("provider", str(error), "Configure it, or name another one.") from error


def _bounds(span: Span) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    since = _in_utc("since", span.since)
    until = min(_in_utc("until", span.until or now), now)
    if since >= until:
        raise BadInput("since", "is not before the end", "Give an earlier moment.")
    if until - since > _LONGEST:
        raise BadInput("since", "is more than a year before the end", "Give a later moment.")
    return since, until


def _in_utc(field: str, moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise BadInput(field, "is no moment that can be told in UTC", "Give another one.") from None


async def _listing(
    provider: Provider, since: datetime, until: datetime
) -> tuple[list[Listed], datetime, str | None]:
    """The provider's jobs and the moment from which on they are all there.

    The third is why there is no list, if there is none. What was sent here just within the span
    may have been accepted, by the provider's clock, just outside of it.
    """
    found: list[Listed] = []
    try:
        async for job in provider.listed(since - CLOCK_MARGIN):
            if job.created_at >= until + CLOCK_MARGIN:
                continue
            if len(found) == MAX_JOBS:
                return found, min(job.created_at for job in found) + _EDGE, None
            found.append(job)
    except CreateAmbiguous as error:
        return [], since, str(error)
    return found, since, None


def _postings(
    ledger: Ledger, provider: str, since: datetime, until: datetime
) -> tuple[Sequence[Posting], datetime]:
    """The requests sent in the span, newest days first, and from when on they are all there."""
    found: list[Posting] = []
    start, end = since - CLOCK_MARGIN, until + CLOCK_MARGIN
    while end > start:
        begin = max(start, end - _STEP)
        found += ledger.journal.of_provider(provider, begin, end)
        if len(found) > MAX_JOBS and begin > start:
            return found, begin + _EDGE
        end = begin
    return found, since


def _compare(
    ledger: Ledger, postings: Sequence[Posting], theirs: Theirs, since: datetime, until: datetime
) -> tuple[Line, ...]:
    journal = ledger.journal

    def read(key: str) -> Posting | None:
        try:
            found = journal.read(key)
        except NotFound:
            return None
        return found if found.provider == theirs.provider else None

    def owners(jobs: Sequence[str]) -> dict[str, str]:
        return owners_of(ledger, jobs, since - 2 * CLOCK_MARGIN)

    ours = Journal(postings, journal.charged, journal.jobs, owners, read)
    return compare(ours, theirs, since, until)


def owners_of(ledger: Ledger, jobs: Sequence[str], since: datetime) -> dict[str, str]:
    """The keys of the requests in whose history these jobs stand, by job id."""
    job_id = journal_entries.c.detail["job"]["id"].as_string()
    wanted = select(job_id, journal_entries.c.request_key).where(journal_entries.c.at >= since)
    found: dict[str, str] = {}
    with ledger.db.read() as tx:
        for start in range(0, len(jobs), _IDS_AT_ONCE):
            some = jobs[start : start + _IDS_AT_ONCE]
            found.update({row[0]: row[1] for row in tx.execute(wanted.where(job_id.in_(some)))})
    return found


def _lists(provider: Provider, request: GenerationRequest) -> bool:
    """Whether the provider lists what this request leads to; some list their known models only."""
    known = request.model in provider.models()
    return known and provider.recovery(request) is Recovery.LISTING


def _notes(why: str | None, cut: bool, since: datetime) -> tuple[str, ...]:
    notes = []
    if why is not None:
        notes.append(f"The provider tells no list, so only our side is shown: {why}")
    if cut:
        told = f"There are more than {MAX_JOBS:,} jobs: compared is what was sent from"
        notes.append(f"{told} {since:%Y-%m-%dT%H:%M:%S} UTC on; give a shorter span for the rest.")
    return tuple(notes)
