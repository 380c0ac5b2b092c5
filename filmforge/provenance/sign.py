"""Put content credentials into a finished file: the last thing that is done to it."""

import asyncio
import io
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import IO, Any

from filmforge.errors import BadMedia, MediaToolFailed
from filmforge.media.sniff import sniff
from filmforge.provenance.boxes import leaf_size
from filmforge.provenance.facts import Claim
from filmforge.provenance.identity import Identity
from filmforge.provenance.manifest import PARENT, manifest_of
from filmforge.provenance.native import CARRIERS, c2pa, context


async def sign(
    source: Path, target: Path, claim: Claim, identity: Identity, signed_at: datetime | None = None
) -> None:
    """Write `source` with its credentials to `target`, in a thread that a cancellation stops.

    See `sign_now`.
    """
    stop = Event()
    work = asyncio.ensure_future(
        asyncio.to_thread(sign_now, source, target, claim, identity, signed_at, stop)
    )
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await work
        raise


def sign_now(
    source: Path,
    target: Path,
    claim: Claim,
    identity: Identity,
    signed_at: datetime | None = None,
    stop: Event | None = None,
) -> None:
    """Write `source` with its credentials to `target`, whole or not at all; `source` is kept.

    Two signings of one file differ: in time, in a random label, in the signature. What can be
    cached is the unsigned file and the claim. A file that already carries credentials (some
    providers' do) keeps them: it becomes the parent of what is signed. Raises BadMedia for a file
    that can't carry credentials or is broken, BadInput when the certificate has expired,
    MediaToolFailed when signing fails, the timestamp authority does not answer or `stop` is set.
    """
    moment = signed_at or datetime.now(UTC)
    identity.check_dates(datetime.now(UTC))
    media_type = _carrier(source)
    partial = target.with_name(f"{target.name}.part")
    try:
        _write(source, partial, media_type, claim, identity, moment, stop or Event())
        partial.replace(target)
    except c2pa.C2paError as error:
        raise MediaToolFailed(f"the file cannot be signed: {str(error)[:500]}") from None
    finally:
        partial.unlink(missing_ok=True)


def _carrier(path: Path) -> str:
    media_type = sniff(path).media_type
    if media_type in CARRIERS:
        return media_type
    raise BadMedia(
        f"a file of type {media_type} can't carry content credentials. "
        "Sign an MP4, MOV, PNG, JPEG, WebP, WAV, MP3 or FLAC."
    )


def _write(
    source: Path,
    partial: Path,
    media_type: str,
    claim: Claim,
    identity: Identity,
    moment: datetime,
    stop: Event,
) -> None:
    with ExitStack() as opened:
        leaves = leaf_size(source, media_type)
        settings = opened.enter_context(
            context(timestamps_from=identity.timestamps_from, leaf_kib=leaves)
        )
        before = opened.enter_context(_open(source, "rb", stop))
        is_parent = bool(claim.itself and claim.itself.supplied) or _carries(
            before, media_type, settings
        )
        definition = manifest_of(claim, moment, opened=is_parent)
        builder = opened.enter_context(c2pa.Builder(definition, settings))
        if is_parent:
            before.seek(0)
            parent = {"label": PARENT, "relationship": "parentOf", "title": "The file as it came"}
            builder.add_ingredient(parent, media_type, before)
        before.seek(0)
        after = opened.enter_context(_open(partial, "w+b", stop))
        builder.sign(opened.enter_context(identity.signer()), media_type, before, after)


def _carries(file: IO[bytes], media_type: str, settings: Any) -> bool:
    """Whether the file has credentials of its own; those kept elsewhere are not looked for."""
    try:
        with c2pa.Reader(media_type, file, context=settings):
            return True
    except c2pa.C2paError.ManifestNotFound:
        return False
    except c2pa.C2paError as error:
        if str(error).startswith("Remote:"):
            return False
        raise BadMedia(f"the file is broken: {str(error)[:300]}") from None


class _Stoppable(io.FileIO):
    """A file that fails to be read or written once it is told to stop."""

    def __init__(self, path: Path, mode: str, stop: Event) -> None:
        super().__init__(path, mode)
        self._stop = stop

    def readinto(self, buffer: Any, /) -> int:
        self._check()
        return super().readinto(buffer) or 0

    def write(self, data: Any, /) -> int:
        self._check()
        return super().write(data) or 0

    def _check(self) -> None:
        if self._stop.is_set():
            raise InterruptedError("told to stop")


def _open(path: Path, mode: str, stop: Event) -> IO[bytes]:
    raw = _Stoppable(path, mode, stop)
    return io.BufferedRandom(raw) if raw.writable() else io.BufferedReader(raw)
