"""Attention: which shots need a person, why in plain words, and what each choice costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache

from filmforge.cues import SoundShot
from filmforge.direction import directed, makes_of, model_ref
from filmforge.domain import Direction, Execution, Kind, Providers, Take
from filmforge.errors import BadInput, BudgetExceeded, CreateAmbiguous
from filmforge.gateway.estimate import ShotEstimate, estimate_apart
from filmforge.gateway.quotes import NO_FRAME, kinds_of
from filmforge.gateway.reasons import LEFT_BEHIND, Choice, Reason, of_film, of_shot
from filmforge.gateway.state import Gateway
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.posting import Posting, State
from filmforge.ledger.shots import ShotRecord, found_wanting, retrying
from filmforge.money import ZERO
from filmforge.quality import Finding

PART_NAMES = {Kind.IMAGE: "frame", Kind.VIDEO: "clip", Kind.AUDIO: "voice"}


@dataclass(frozen=True)
class Maker:
    """Another model that could make one part of a shot, and what the shot would then cost."""

    kind: Kind
    ref: str
    usd: Decimal


@dataclass(frozen=True)
class Attention:
    """One shot that needs a person.

    `retry_usd` is what it costs to make the shot again now, None when no model can as it is asked
    for. `doubt` is its lost request, if it has one; `parts` are what can be replaced;
    `replacing` is what is then made anew around the file. `free_usd` is what the budget leaves.
    """

    record: ShotRecord
    reason: Reason
    findings: Sequence[Finding]
    parts: Sequence[Kind]
    doubt: Posting | None
    free_usd: Decimal
    retry_usd: Decimal | None = None
    makers: Sequence[Maker] = ()
    replacing: Mapping[Kind, Decimal] = field(default_factory=dict)

    @property
    def shot_id(self) -> str:
        """Which shot."""
        return self.record.shot.shot_id

    @property
    def said(self) -> str:
        """What the machines or the provider said themselves."""
        return self.record.message or ""

    @property
    def submits(self) -> int:
        """How often its lost request was sent; what somebody chooses is bound to it."""
        return self.doubt.submits if self.doubt else 0

    def offers(self, choice: str) -> bool:
        """Whether there is such a choice; made for templates."""
        return choice in self.reason.choices

    def too_dear(self, usd: Decimal) -> bool:
        """Whether the budget has no room for that: the shot would wait for it."""
        return usd > self.free_usd

    def name_of(self, kind: Kind) -> str:
        """What people call a part of it."""
        return "sound" if isinstance(self.record.shot, SoundShot) else PART_NAMES[kind]

    def makers_of(self, kind: Kind) -> Sequence[Maker]:
        """The other models for one part, the cheapest first."""
        mine = [maker for maker in self.makers if maker.kind is kind]
        return sorted(mine, key=lambda maker: (maker.usd, maker.ref))


@dataclass(frozen=True)
class FilmAttention:
    """The film itself, when it is blocked although no shot is; `digest` is the one held back."""

    reason: Reason
    said: str
    digest: str | None
    findings: Sequence[Finding]

    def offers(self, choice: str) -> bool:
        """Whether there is such a choice; made for templates."""
        return choice in self.reason.choices


def needs_attention(record: ShotRecord) -> bool:
    """Whether a shot failed for good or waits for budget."""
    parked = record.execution is Execution.QUEUED and record.reason == BudgetExceeded.code
    return record.execution is Execution.FAILED or parked


def attention_for(gateway: Gateway, film: FilmRecord, record: ShotRecord) -> Attention | None:
    """What a person can do about a shot, None when it needs nobody; reads the database."""
    doubt = gateway.ledger.journal.in_doubt(film.film_id, record.shot.shot_id)
    if doubt is None and (film.ended or not needs_attention(record)):
        return None
    return attentions(gateway, film, [record])[0]


def in_trouble(gateway: Gateway, film: FilmRecord) -> Sequence[ShotRecord]:
    """The shots and sounds that need a person, in film order; reads the database.

    Among them are those that went on without a request whose answer was lost.
    """
    kept, film_id = gateway.ledger.shots, film.film_id
    troubled = () if film.ended else kept.in_trouble(film_id)
    known = {record.shot.shot_id for record in troubled}
    in_flight = gateway.ledger.journal.in_flight(film_id)
    lost = {posting.payer.shot_id for posting in in_flight if posting.state is State.UNKNOWN}
    left = [kept.read(film_id, shot_id) for shot_id in lost - known]
    return sorted([*troubled, *left], key=lambda record: record.position)


def attentions(
    gateway: Gateway, film: FilmRecord, records: Sequence[ShotRecord]
) -> Sequence[Attention]:
    """What a person can do about each of these, with prices as of now; reads the database."""
    takes = [gateway.ledger.takes.of_shot(film.film_id, r.shot.shot_id) for r in records]
    budget = gateway.ledger.budget(film.film_id)
    free = max(budget.limit - budget.spent - budget.reserved, ZERO)
    plain = [
        _unpriced(gateway, film, record, mine, free)
        for record, mine in zip(records, takes, strict=True)
    ]
    again = [
        (record.shot, retrying(record, mine, {}, Providers()))
        for record, mine in zip(records, takes, strict=True)
    ]
    retries = estimate_apart(gateway, film, again)
    makers = _makers(gateway, film, plain, takes, retries)
    around = _replacing(gateway, film, plain)
    return [
        replace(
            attention,
            retry_usd=retry.estimate_usd if retry else None,
            makers=mine,
            replacing=rest,
        )
        for attention, retry, mine, rest in zip(plain, retries, makers, around, strict=True)
    ]


def film_attention(gateway: Gateway, film: FilmRecord) -> FilmAttention | None:
    """Why the film itself can't go on, if no shot is why; reads the database."""
    blocked = film.execution is Execution.NEEDS_ATTENTION
    if not blocked or gateway.ledger.shots.in_trouble(film.film_id):
        return None
    held = gateway.ledger.holds.held(film.film_id) if film.reason == "quality" else None
    digest, checked = held or (None, None)
    return FilmAttention(
        reason=of_film(film.reason),
        said=gateway.ledger.films.message(film) or "",
        digest=digest,
        findings=[finding for finding in checked.findings if not finding.passed] if checked else (),
    )


def _unpriced(
    gateway: Gateway, film: FilmRecord, record: ShotRecord, takes: Sequence[Take], free: Decimal
) -> Attention:
    in_doubt = gateway.ledger.journal.in_doubt(film.film_id, record.shot.shot_id)
    waits = not film.ended and needs_attention(record)
    left_behind = in_doubt is not None and not (waits and record.reason == CreateAmbiguous.code)
    reason = of_shot(record.reason) if waits else LEFT_BEHIND
    if waits and left_behind:
        more = tuple(choice for choice in LEFT_BEHIND.choices if choice not in reason.choices)
        words = f"{reason.words} {LEFT_BEHIND.words}"
        reason = Reason(reason.title, words, (*reason.choices, *more))
    wanting = found_wanting(record, takes) if record.reason == "quality" else {}
    findings = [
        finding
        for take in wanting.values()
        for finding in (take.checked.findings if take.checked else ())
        if not finding.passed
    ]
    return Attention(record, reason, findings, _parts(record), in_doubt, free)


def _parts(record: ShotRecord) -> Sequence[Kind]:
    try:
        return kinds_of(directed(record.shot, record.direction))
    except BadInput:  # a change that cannot be made is why it stands still
        return kinds_of(record.shot)


def _makers(
    gateway: Gateway,
    film: FilmRecord,
    plain: Sequence[Attention],
    takes: Sequence[Sequence[Take]],
    retries: Sequence[ShotEstimate | None],
) -> Sequence[Sequence[Maker]]:
    """The other models that can make what each shot lacks, with prices; None of them is asked."""
    known = cache(gateway.registry.makers)
    asked: list[tuple[int, Kind, str, Direction]] = []
    for place, (attention, mine, retry) in enumerate(zip(plain, takes, retries, strict=True)):
        record = attention.record
        for kind in _wanted(attention, retry) if attention.offers(Choice.PROVIDER) else ():
            now = ":".join(model_ref(film.brief, record.shot, record.direction, kind))
            for ref in known(kind, makes_of(record.shot)):
                if ref != now:
                    chosen = Providers.model_validate({kind.value: ref})
                    asked.append((place, kind, ref, retrying(record, mine, {}, chosen)))
    wishes = [(plain[place].record.shot, direction) for place, _, _, direction in asked]
    found: list[list[Maker]] = [[] for _ in plain]
    for (place, kind, ref, _), told in zip(
        asked, estimate_apart(gateway, film, wishes), strict=True
    ):
        if told is not None:
            found[place].append(Maker(kind, ref, told.estimate_usd))
    return found


def _replacing(
    gateway: Gateway, film: FilmRecord, plain: Sequence[Attention]
) -> Sequence[Mapping[Kind, Decimal]]:
    """What is made anew when a file replaces each part: a clip is made from its frame."""
    asked = [(n, kind) for n, attention in enumerate(plain) for kind in attention.parts]
    wishes = []
    for place, kind in asked:
        record = plain[place].record
        replaced = {**record.direction.replaced, kind: NO_FRAME}
        direction = record.direction.model_copy(update={"replaced": replaced})
        wishes.append((record.shot, direction))
    found: list[dict[Kind, Decimal]] = [{} for _ in plain]
    for (place, kind), told in zip(asked, estimate_apart(gateway, film, wishes), strict=True):
        if told is not None:
            found[place][kind] = told.estimate_usd
    return found


def _wanted(attention: Attention, retry: ShotEstimate | None) -> Sequence[Kind]:
    """What another model could make: what is still to be made, or was found wanting."""
    if retry is None:
        return attention.parts
    return [line.kind for line in retry.lines if not line.cached]
