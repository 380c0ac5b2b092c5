"""Downloads: a provider's output comes to a local file and is looked at before it is believed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.commission import Commission
from filmforge.domain import Asset
from filmforge.errors import BadMedia, WorkDirFull
from filmforge.media.probe import MediaFacts, verify
from filmforge.providers.base import Job, JobReport
from filmforge.store import AssetStore, Stored

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

    def __init__(self, store: AssetStore, work_dir: Path, max_bytes: int) -> None:
        self._store = store
        self._work_dir = work_dir
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def fetched(
        self, commission: Commission, job: Job, report: JobReport
    ) -> AsyncIterator[Download]:
        """A verified copy of the job's output, for as long as the block runs.

        A file that arrives broken is fetched again, twice; then BadMedia is raised. A full disk
        raises WorkDirFull.
        """
        try:
            self._work_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
                path = Path(folder) / "output"
                yield Download(path, await self._fetch(commission, job, report, path))
        except OSError as error:
            raise WorkDirFull(f"{self._work_dir}: {error.strerror}") from error

    async def _fetch(
        self, commission: Commission, job: Job, report: JobReport, path: Path
    ) -> MediaFacts:
        for left in reversed(range(TRIES)):
            try:
                await self._bring(commission, job, report, path)
                return await asyncio.to_thread(verify, path, commission.kind)
            except BadMedia:
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def _bring(self, commission: Commission, job: Job, report: JobReport, path: Path) -> None:
        if job.asset is not None:
            await self._store.fetch(job.asset, path)
        elif report.output_url:
            await commission.provider.fetch(report.output_url, path, self._max_bytes)
        else:
            raise BadMedia("the provider named no output")
