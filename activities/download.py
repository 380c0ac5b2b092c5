"""Downloads: a provider's output comes to a local file and is looked at before it is believed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from filmforge.domain import Asset, Kind
from filmforge.errors import BadMedia
from filmforge.media.probe import MediaFacts, verify
from filmforge.providers.base import JobReport, Provider
from filmforge.store import Stored

TRIES = 3


@dataclass(frozen=True)
class Download:
    """A verified local file."""

    path: Path
    facts: MediaFacts

    @property
    def media_type(self) -> str:
        """What the bytes are, not what the provider called them."""
        return self.facts.media_type

    def asset(self, stored: Stored) -> Asset:
        """The file as an asset."""
        return asset_of(stored, self.facts)


def asset_of(stored: Stored, facts: MediaFacts) -> Asset:
    """A stored file with what was found in it."""
    return Asset(
        digest=stored.digest,
        media_type=stored.media_type,
        size=stored.size,
        width=facts.width,
        height=facts.height,
        duration_s=facts.duration_s,
    )


class Downloads:
    """Fetches outputs into a work directory that is cleaned after use."""

    def __init__(self, work_dir: Path, max_bytes: int) -> None:
        self._work_dir = work_dir
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def fetched(
        self, provider: Provider, report: JobReport, kind: Kind
    ) -> AsyncIterator[Download]:
        """A verified copy of the job's output, for as long as the block runs.

        A file that arrives broken is fetched again, twice; then BadMedia is raised.
        """
        if not report.output_url:
            raise BadMedia("the provider named no output")
        self._work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
            path = Path(folder) / "output"
            yield Download(path, await self._fetch(provider, report.output_url, path, kind))

    async def _fetch(self, provider: Provider, url: str, path: Path, kind: Kind) -> MediaFacts:
        for left in reversed(range(TRIES)):
            try:
                await provider.fetch(url, path, self._max_bytes)
                return await asyncio.to_thread(verify, path, kind)
            except BadMedia:
                if not left:
                    raise
        raise AssertionError("unreachable")
