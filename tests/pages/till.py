"""Films that cost money, for tests of the pages about it; what is spent is written by hand."""

from decimal import Decimal
from typing import Any

from filmforge.domain import Asset, Execution, GenerationRequest, Kind, Tags
from filmforge.gateway.quotes import quote
from filmforge.ledger.posting import Claim, Posting
from filmforge.quality import Check, Checked, Finding, Outcome
from tests.pages.house import House

PROVIDERS = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
# What the second shot costs, which says nothing: a frame, and a clip of three seconds.
FRAME, CLIP = Decimal("0.003"), Decimal("0.03")


def priced(house: House, count: int = 4, film_id: str = "attic", **more: Any) -> str:
    """A film whose shots are made by models with a price."""
    house.shot_list(count, film_id, providers=PROVIDERS, **more)
    house.ledger.films.set(film_id, Execution.RUNNING)
    return film_id


def failed(
    house: House, shot_id: str, reason: str, message: str = "it said no", film_id: str = "attic"
) -> None:
    """A shot that failed for good."""
    house.ledger.shots.set(
        film_id, shot_id, execution=Execution.FAILED, reason=reason, message=message
    )


def parked(house: House, *shot_ids: str, film_id: str = "attic") -> None:
    """Shots that wait for budget."""
    for shot_id in shot_ids:
        house.ledger.shots.set(
            film_id,
            shot_id,
            execution=Execution.QUEUED,
            reason="budget_exceeded",
            message=f"needs 0.003 USD, 0.00 USD is free in film:{film_id}",
        )


def request_of(house: House, shot_id: str, film_id: str = "attic") -> GenerationRequest:
    """The request for the frame of a shot as it is asked for now."""
    film = house.ledger.films.read(film_id)
    record = house.ledger.shots.read(film_id, shot_id)
    found = quote(house.gateway.registry, film.brief, record.shot, record.direction, Kind.IMAGE)
    return found.request


def sent(house: House, shot_id: str, film_id: str = "attic", usd: Decimal = FRAME) -> str:
    """A request that was sent and whose job is known; returns its key."""
    request = request_of(house, shot_id, film_id)
    journal = house.ledger.journal
    journal.reserve(request, usd, Claim(film_id=film_id, shot_id=shot_id, intent="0/0"))
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": f"job-{shot_id}", "urls": {}}, "submit")
    return request.key


def lost(house: House, shot_id: str, film_id: str = "attic") -> Posting:
    """A shot that waits because the answer to its request was lost."""
    request = request_of(house, shot_id, film_id)
    journal = house.ledger.journal
    journal.reserve(request, FRAME, Claim(film_id=film_id, shot_id=shot_id, intent="0/0"))
    journal.begin_submitting(request.key)
    journal.doubt(request.key, "the line broke")
    failed(house, shot_id, "create_ambiguous", "the provider cannot tell", film_id)
    return journal.read(request.key)


def paid(house: House, shot_id: str, digest: str, usd: str, film_id: str = "attic") -> None:
    """A frame that was paid for and is in use."""
    key = sent(house, shot_id, film_id, Decimal(usd))
    asset = Asset(digest=digest, media_type="image/png", size=1)
    posting = house.ledger.journal.succeed(key, asset, Tags(), Decimal(usd))
    house.ledger.takes.link(film_id, shot_id, posting, None)


def found_black(house: House, shot_id: str, digest: str, film_id: str = "attic") -> None:
    """A shot whose frame is there and was found to be black."""
    finding = Finding(
        check=Check.BLACK,
        passed=False,
        measured=1.0,
        threshold=0.5,
        unit="s",
        words="the frame is black",
    )
    checked = Checked(outcome=Outcome.ATTENTION, words=("the frame is black",), findings=(finding,))
    house.ledger.takes.checked(film_id, shot_id, Kind.IMAGE, digest, checked)
    failed(house, shot_id, "quality", "the frame is black", film_id)
