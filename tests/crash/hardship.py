"""What a worker may have to endure: a provider without a list, a clock set back, a full disk."""

from collections.abc import Mapping
from datetime import datetime

from filmforge.domain import GenerationRequest
from filmforge.errors import CreateAmbiguous
from filmforge.providers.base import Job
from filmforge.providers.fake import FakeProvider


def endure(environment: Mapping[str, str]) -> None:
    """Suffer what the environment says: CRASH_NO_LISTING."""
    if "CRASH_NO_LISTING" in environment:
        FakeProvider.find = _cannot_tell  # type: ignore[method-assign]


async def _cannot_tell(
    self: FakeProvider, request: GenerationRequest, since: datetime, known: frozenset[str]
) -> Job | None:
    raise CreateAmbiguous("this provider has no list of jobs")
