"""Matching: the journal's requests beside the jobs that a provider lists."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from filmforge.domain import Frozen
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
    """Our side: requests, what each was charged, and how to look up what else is written.

    `jobs` gives every job id ever written down for a key, `owners` the keys of job ids that are
    not the last job of any of `postings`, `read` a request that is not among those, or None.
    """

    postings: Sequence[Posting]
    charged: dict[str, Decimal]
    jobs: Callable[[str], frozenset[str]]
    owners: Callable[[Sequence[str]], dict[str, str]]
    read: Callable[[str], Posting | None]


@dataclass(frozen=True)
class Theirs:
    """The provider's side; without `told` it has no list, and only our side can be shown.

    A job sent after `sure_until` may not be listed yet.
    """

    provider: str
    listed: Sequence[Listed]
    told: bool
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
    pairs = _pair(journal, theirs.listed)
    doubts = [p for p in journal.postings if p.state is State.UNKNOWN]
    fits = _fits(doubts, pairs)
    used = {job.job.id for jobs in fits.values() for job in jobs}

    def within(moment: datetime | None) -> bool:
        return moment is not None and since <= moment < until

    lines = [
        line
        for posting in (*journal.postings, *pairs.others.values())
        if within(posting.submitted_at)
        or any(within(job.created_at) for job in pairs.known.get(posting.request_key, ()))
        if (line := _of_posting(posting, journal, theirs, pairs, fits)) is not None
    ]
    extra = [job for job in pairs.strange if job.job.id not in used]
    lines += [_missing_here(job, None) for job in extra if within(job.created_at)]
    for key, jobs in pairs.claimed.items():
        left = [job for job in jobs if job.job.id not in used]
        lines += [_missing_here(job, key) for job in left if within(job.created_at)]
    return tuple(sorted(lines, key=lambda line: line.at))


def _pair(journal: Journal, listed: Sequence[Listed]) -> Pairs:
    ours = {posting.request_key: posting for posting in journal.postings}
    owners = {str(p.job["id"]): p.request_key for p in journal.postings if p.job}
    # Jobs of earlier submits of a request stand in its history only.
    owners |= journal.owners([each.job.id for each in listed if each.job.id not in owners])
    pairs = Pairs(defaultdict(list), defaultdict(list), [], {})
    for each in listed:
        owner = owners.get(each.job.id)
        key = owner or each.request_key
        posting = key and (ours.get(key) or pairs.others.get(key) or journal.read(key))
        if not key or not posting:
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


def _of_posting(
    posting: Posting,
    journal: Journal,
    theirs: Theirs,
    pairs: Pairs,
    fits: dict[str, list[Listed]],
) -> Line | None:
    """How a request stands; None when it never came to a job nor to a charge."""
    key = posting.request_key
    known, ours = pairs.known.get(key, []), journal.charged.get(key)
    if posting.state is State.UNKNOWN:
        return _line(Outcome.IN_DOUBT, posting, ours, fits.get(key, []), _doubt(posting, fits))
    if known:
        outcome, remedy = _price(posting, ours, known, journal)
        return _line(outcome, posting, ours, known, remedy)
    if posting.state is State.SUBMITTING:
        return _line(Outcome.UNDER_WAY, posting, ours, [], "It is being sent: look again soon.")
    if posting.job is None and not ours:
        return None
    outcome, remedy = _unlisted(posting, theirs)
    return _line(outcome, posting, ours, [], remedy)


def _unlisted(posting: Posting, theirs: Theirs) -> tuple[Outcome, str]:
    if not theirs.told:
        return Outcome.NOT_COMPARED, "Compare it with the provider's invoice."
    if posting.account and posting.account != theirs.account:
        told = f"It was sent with another key ({posting.account}): look with that one."
        return Outcome.NOT_COMPARED, told
    assert posting.submitted_at is not None, "what has a job or a charge was sent"
    if posting.submitted_at >= theirs.sure_until:
        return Outcome.UNDER_WAY, "The provider may not list it yet: look again soon."
    return (
        Outcome.MISSING_THERE,
        "The provider lists no such job: look it up there by its id, and in its invoice.",
    )


def _price(
    posting: Posting, ours: Decimal | None, known: Sequence[Listed], journal: Journal
) -> tuple[Outcome, str]:
    """Whether what was charged here is what the provider says that it took, once it is over."""
    here, there = ours or ZERO, _cost(known)
    matched = (Outcome.MATCHED, "")
    if posting.state not in SETTLED:
        return matched
    if there is None:
        made = any(job.status is JobStatus.SUCCEEDED for job in known)
        if not made or posting.state is State.SUCCEEDED or here:
            return matched
        return (
            Outcome.PRICE_DIFFERS,
            "The provider made it and nothing was charged here: see its invoice.",
        )
    # With a job that is not listed any more the sums cannot be compared.
    if here == there or not journal.jobs(posting.request_key) <= {job.job.id for job in known}:
        return matched
    told = f"{format_money(here)} USD was charged here, {format_money(there)} USD there"
    return Outcome.PRICE_DIFFERS, f"{told}: the provider's invoice decides."


def _cost(jobs: Sequence[Listed]) -> Decimal | None:
    costs = [job.cost for job in jobs if job.cost is not None]
    return sum(costs, ZERO) if costs and len(costs) == len(jobs) else None


def _doubt(posting: Posting, fits: dict[str, list[Listed]]) -> str:
    payer = posting.payer
    command = f"filmforge resolve {payer.film_id} {payer.shot_id}"
    if posting.request_key in fits:
        return f"The job fits it: {command} look_again"
    again = format_money(posting.estimate)
    return (
        f"{command} look_again, or write_off, or send_again, "
        f"which may cost {again} USD a second time"
    )


def _missing_here(job: Listed, key: str | None) -> Line:
    if key is None:
        remedy = "No request here led to it: it was made elsewhere with the same key, or its "
        remedy += "request was lost with the database."
    else:
        remedy = "It names a request that has another job: it may be a second charge. Cancel it "
        remedy += "if it runs, and ask the provider for the money back."
    return Line(
        outcome=Outcome.MISSING_HERE,
        at=job.created_at,
        request_key=key,
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
    assert posting.submitted_at is not None, "only what was sent is compared"
    ids = tuple(job.job.id for job in jobs)
    if not ids and posting.job is not None:
        ids = (str(posting.job["id"]),)
    return Line(
        outcome=outcome,
        at=posting.submitted_at,
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
