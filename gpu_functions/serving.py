"""Serve one work: claimed once, made, stored under its request key, with a receipt."""

import base64
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

import structlog

from filmforge.domain import Receipt, Work, WorkInput
from filmforge.errors import BadInput, BadMedia, FilmError
from gpu_functions.desk import Claim, Desk, Held
from gpu_functions.maker import Made, Room, Stopped

log = structlog.get_logger()

FETCH_TIMEOUT_S = 60.0
CHUNK_BYTES = 1 << 20

Make = Callable[[Work, Room], Made]
Tell = Callable[[float], None]


def serve(
    work: Work, make: Make, desk: Desk, call_id: str, *, tell: Tell, gpu: str, load_s: float = 0.0
) -> Receipt:
    """Make a work unless it is made or being made, and say what came of it.

    What the person who asked can mend (bad input, too large) is a receipt with a code; everything
    else is raised, and the claim given back, so that the work can be tried again.
    """
    told = Receipt(key=work.key, call_id=call_id, gpu=gpu, load_s=load_s)
    done = desk.receipt(work.key)
    if done is not None:
        # What was loaded for nothing is billed all the same, and only this call can tell.
        wasted = load_s > 0 and done.call_id != call_id
        return told.model_copy(update={"held_by": done.call_id}) if wasted else done
    started = time.monotonic()
    try:
        with desk.claimed(work.key, call_id) as claim, tempfile.TemporaryDirectory() as folder:
            made = make(work, _room(work, Path(folder), desk, _careful(tell, claim)))
            seconds = time.monotonic() - started
            log.info("made", function=work.function, request_key=work.key, seconds=seconds)
            told = told.model_copy(
                update={
                    "seconds": seconds,
                    "media_type": made.media_type,
                    "facts": dict(made.facts),
                }
            )
            return desk.finish(work, made.path, told)
    except Held as held:
        return told.model_copy(update={"held_by": held.call_id})
    except Stopped:
        raise
    except FilmError as error:
        seconds = time.monotonic() - started
        return told.model_copy(
            update={"seconds": seconds, "code": error.code, "message": str(error)}
        )


def _careful(tell: Tell, claim: Claim) -> Tell:
    def told(share: float) -> None:
        if claim.lost:
            raise Stopped("another call has taken this work over")
        tell(share)

    return told


def _room(work: Work, folder: Path, desk: Desk, tell: Tell) -> Room:
    inputs = folder / "inputs"
    inputs.mkdir()
    files = {part.role: _fetch(part, inputs / part.role) for part in work.inputs}
    return Room(folder, files, desk.checkpoints(work.key), tell)


def _fetch(part: WorkInput, path: Path) -> Path:
    """An input as a local file, held against its digest. Raises BadInput or BadMedia."""
    if part.url.startswith("data:"):
        head, _, body = part.url.partition(",")
        coded = head.endswith(";base64")
        path.write_bytes(base64.b64decode(body) if coded else unquote_to_bytes(body))
    else:
        _download(part, path)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != part.digest:
            raise BadMedia(f"{part.role}: the bytes at its address are not {part.digest}")
    return path


def _download(part: WorkInput, path: Path) -> None:
    import httpx

    try:
        with (
            httpx.stream("GET", part.url, timeout=FETCH_TIMEOUT_S) as answer,
            path.open("wb") as file,
        ):
            answer.raise_for_status()
            for piece in answer.iter_bytes(CHUNK_BYTES):
                file.write(piece)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise BadInput(part.role, f"cannot be read: HTTP {status}", "Ask again.") from None
