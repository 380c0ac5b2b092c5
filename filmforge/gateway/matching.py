"""Matching: the journal's requests beside the jobs that a provider lists."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from filmforge.domain import GenerationRequest
from filmforge.fields import Frozen
from filmforge.ledger.posting import Posting, State
from filmforge.money import ZERO, Money, format_money
from filmforge.providers.base import CLOCK_MARGIN, JobStatus, Listed

SETTLED = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Outcome(StrEnum):
    """How a request and the jobs of it compare."""

    MATCHED = "matched"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    PRICE_DIFFERS = "price_differs"
    IN_DOUBT = "in_doubt"
    UNDER_WAY = "under_way"
    NOT_COMPARED = "not_compared"


class Line(Frozen):
    """A request with its jobs, or a job that belongs to no request; `at` is when it was sent.

    `jobs` are ids at the provider; of a request in doubt they are those that fit it. `ours_usd`
    is what was charged here, `theirs_usd` what the provider says that it took.
    """

    outcome: Outcome
    at: datetime
    request_key: str | None
    film_id: str | None
    shot_id: str | None
    model: str
    state: str | None
    jobs: tuple[str, ...]
    status: str | None
    ours_usd: Money | None
    theirs_usd: Money | None
    remedy: str


@dataclass(frozen=True)
class Journal:
    """Our side: requests, and how to look up what else is written.

    `charged` gives what was charged for keys, without those that were not; `jobs` every job id
    ever written down for a key; `owners` the keys of job ids that are not the last job of any
    of `postings`; `read` a request that is not among those, or None.
    """

    postings: Sequence[Posting]
    charged: Callable[[Sequence[str]], dict[str, Decimal]]
    jobs: Callable[[str], frozenset[str]]
    owners: Callable[[Sequence[str]], dict[str, str]]
    read: Callable[[str], Posting | None]


@dataclass(frozen=True)
class Theirs:
    """The provider's side; `lists` tells whether a request's job would be in its list.

    A job sent after `sure_until` may not be listed yet.
    """

    provider: str
    listed: Sequence[Listed]
    lists: Callable[[GenerationRequest], bool]
    account: str
    sure_until: datetime


@dataclass(frozen=True)
class Pairs:
    """Which listed jobs are known for a request, which only say that they belong to it."""

    known: dict[str, list[Listed]]
    claimed: dict[str, list[Listed]]
    strange: list[Listed]
    others: dict[str, Posting]


def compare(journal: Journal, theirs: Theirs, since: datetime, until: datetime) -> tuple[Line, ...]:
    """Every request and every job sent in a span of time, oldest first."""

    def within(moment: datetime | None) -> bool:
        return moment is not None and since <= moment < until

    pairs = _pair(journal, theirs.listed)
    postings = (*journal.postings, *pairs.others.values())
    charged = journal.charged([posting.request_key for posting in postings])
    fits = _fits([p for p in journal.postings if p.state is State.UNKNOWN], pairs)
    lines: list[Line | None] = []
    for posting in postings:
        key = posting.request_key
        known, ours = pairs.known.get(key, []), charged.get(key)
        if not within(posting.submitted_at) and not any(within(job.created_at) for job in known):
            continue
        if posting.state is State.UNKNOWN:
            lines.append(_in_doubt(posting, ours, fits.get(key, [])))
        elif known:
            lines.append(_listed(posting, ours, known, journal))
        else:
            lines.append(_unlisted(posting, ours, theirs))
    used = {job.job.id for jobs in fits.values() for job in jobs}
    left = [(job, False) for job in pairs.strange]
    left += [(job, True) for jobs in pairs.claimed.values() for job in jobs]
    lines += [
        _missing_here(job, claimed)
        for job, claimed in left
        if job.job.id not in used and within(job.created_at)
    ]
    return tuple(sorted((line for line in lines if line), key=lambda line: line.at))


def _pair(journal: Journal, listed: Sequence[Listed]) -> Pairs:
    ours = {posting.request_key: posting for posting in journal.postings}
    owners = {str(p.job["id"]): p.request_key for p in journal.postings if p.job}
    # Jobs of earlier submits of a request stand in its history only.
    owners |= journal.owners([each.job.id for each in listed if each.job.id not in owners])
    pairs = Pairs(defaultdict(list), defaultdict(list), [], {})
    for each in listed:
        owner = owners.get(each.job.id)
        key = owner or each.request_key or ""
        posting = ours.get(key) or pairs.others.get(key) or journal.read(key)
        if posting is None:
            pairs.strange.append(each)
        elif owner is None:
            pairs.claimed[key].append(each)
        else:
            pairs.known[key].append(each)
            if key not in ours:
                pairs.others[key] = posting
    return pairs


def _fits(doubts: Iterable[Posting], pairs: Pairs) -> dict[str, list[Listed]]:
    """The jobs that may be the lost ones: those that say so, else the nearest that looks so."""
    free = list(pairs.strange)
    found: dict[str, list[Listed]] = {}
    for posting in doubts:
        claimed = pairs.claimed.get(posting.request_key)
        alike = [job for job in free if not claimed and _alike(posting, job)]
        if alike:
            nearest = min(alike, key=lambda job: _apart(posting, job))
            free.remove(nearest)
            found[posting.request_key] = [nearest]
        elif claimed:
            found[posting.request_key] = claimed
    return found


def _alike(posting: Posting, job: Listed) -> bool:
    given = posting.request.parameters
    words = _plain(str(given.get("prompt") or given.get("text") or ""))
    model = posting.request.model.partition(":")[0]
    same_model = job.model.partition(":")[0] in ("", model)
    return bool(words) and same_model and words == _plain(job.words) and _in_time(posting, job)


def _in_time(posting: Posting, job: Listed) -> bool:
    return _apart(posting, job) <= CLOCK_MARGIN


def _apart(posting: Posting, job: Listed) -> timedelta:
    assert posting.submitted_at is not None, "what is in doubt was sent"
    return abs(job.created_at - posting.submitted_at)


def _plain(words: str) -> str:
    return " ".join(words.split())


def _in_doubt(posting: Posting, ours: Decimal | None, fits: Sequence[Listed]) -> Line:
    payer = posting.payer
    command = f"filmforge resolve {payer.film_id} {payer.shot_id}"
    remedy = f"The job fits it: {command} look_again"
    if not fits:
        again = format_money(posting.estimate)
        remedy = f"{command} look_again, or write_off, or send_again, "
        remedy += f"which may cost {again} USD a second time"
    return _line(Outcome.IN_DOUBT, posting, ours, fits, remedy)


def _unlisted(posting: Posting, ours: Decimal | None, theirs: Theirs) -> Line | None:
    """A request without a listed job; None when it came to no job, or is free, and to no charge."""
    outcome = Outcome.MISSING_THERE
    remedy = "The provider lists no such job: look it up there by its id, and in its invoice."
    if posting.state is State.SUBMITTING:
        outcome, remedy = Outcome.UNDER_WAY, "It is being sent: look again soon."
    elif not ours and (posting.job is None or not posting.estimate):
        return None
    elif not theirs.lists(posting.request):
        outcome = Outcome.NOT_COMPARED
        remedy = "The provider does not list what this model makes: see its invoice."
    elif posting.account and posting.account != theirs.account:
        outcome = Outcome.NOT_COMPARED
        remedy = f"It was sent with another key ({posting.account}): look with that one."
    elif posting.submitted_at is not None and posting.submitted_at >= theirs.sure_until:
        outcome, remedy = Outcome.UNDER_WAY, "The provider may not list it yet: look again soon."
    return _line(outcome, posting, ours, [], remedy)


def _listed(
    posting: Posting, ours: Decimal | None, known: Sequence[Listed], journal: Journal
) -> Line:
    """Whether what was charged here is what the provider says that it took, once it is over."""
    here, there, remedy = ours or ZERO, _cost(known), ""
    if posting.state not in SETTLED:
        pass
    elif there is None:
        made = any(job.status is JobStatus.SUCCEEDED for job in known)
        if made and posting.state is not State.SUCCEEDED and not here:
            remedy = "The provider made it and nothing was charged here: see its invoice."
    # With a job that is not listed any more the sums cannot be compared.
    elif here != there and journal.jobs(posting.request_key) <= {job.job.id for job in known}:
        told = f"{format_money(here)} USD was charged here, {format_money(there)} USD there"
        remedy = f"{told}: the provider's invoice decides."
    outcome = Outcome.PRICE_DIFFERS if remedy else Outcome.MATCHED
    return _line(outcome, posting, ours, known, remedy)


def _cost(jobs: Sequence[Listed]) -> Decimal | None:
    costs = [job.cost for job in jobs if job.cost is not None]
    return sum(costs, ZERO) if costs and len(costs) == len(jobs) else None


def _missing_here(job: Listed, claimed: bool) -> Line:
    remedy = "No request here led to it: it was made elsewhere with the same key, or its "
    remedy += "request was lost with the database."
    if claimed:
        remedy = "It names a request that has another job: it may be a second charge. Cancel it "
        remedy += "if it runs, and ask the provider for the money back."
    return Line(
        outcome=Outcome.MISSING_HERE,
        at=job.created_at,
        request_key=job.request_key,
        film_id=None,
        shot_id=None,
        model=job.model,
        state=None,
        jobs=(job.job.id,),
        status=job.status,
        ours_usd=None,
        theirs_usd=job.cost,
        remedy=remedy,
    )


def _line(
    outcome: Outcome, posting: Posting, ours: Decimal | None, jobs: Sequence[Listed], remedy: str
) -> Line:
    sent_at = posting.submitted_at or jobs[0].created_at  # one that was armed again is not sent yet
    ids = tuple(job.job.id for job in jobs)
    if not ids and posting.job is not None:
        ids = (str(posting.job["id"]),)
    return Line(
        outcome=outcome,
        at=sent_at,
        request_key=posting.request_key,
        film_id=posting.payer.film_id,
        shot_id=posting.payer.shot_id,
        model=posting.request.model,
        state=posting.state,
        jobs=ids,
        status=jobs[0].status if jobs else None,
        ours_usd=ours,
        theirs_usd=_cost(jobs),
        remedy=remedy,
    )
