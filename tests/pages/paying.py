"""Requests that were paid for, in films of the house."""

import hashlib
from decimal import Decimal

from filmforge.domain import Asset, GenerationRequest, Kind, Tags
from filmforge.ledger.posting import Claim
from tests.pages.house import House

_TYPES = {Kind.IMAGE: "image/png", Kind.VIDEO: "video/mp4", Kind.AUDIO: "audio/wav"}


def pay(
    house: House, request: GenerationRequest, price: Decimal, shot_id: str, film_id: str = "attic"
) -> str:
    """Make a request succeed as a take in use; returns the digest of a file nobody stored."""
    journal = house.ledger.journal
    journal.reserve(request, price, Claim(film_id=film_id, shot_id=shot_id, intent="first"))
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": "job-1", "urls": {}}, "submit")
    digest = hashlib.sha256(request.key.encode()).hexdigest()
    asset = Asset(digest=digest, media_type=_TYPES[request.kind], size=1)
    posting = journal.succeed(request.key, asset, Tags(), price)
    house.ledger.takes.link(film_id, shot_id, posting, None)
    return digest
