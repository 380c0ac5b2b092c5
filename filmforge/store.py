"""Assets in an object store: every file under the sha256 of its own bytes, written once."""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import botocore.session
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as Unreached
from botocore.loaders import create_loader

from filmforge.errors import BadMedia, NotFound, StoreUnavailable
from filmforge.fields import Frozen
from filmforge.shelf import Shelf

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger()

CHUNK_BYTES = 1 << 20
PRESIGNED_S = 3600
# What S3 is like, in words of botocore's: read once, for it takes most of the time of a client.
_DESCRIPTIONS = create_loader()


class Loaded(Frozen):
    """A whole asset in memory."""

    data: bytes
    media_type: str


class Stored(Frozen):
    """A file in the store; `size` in bytes."""

    digest: str
    size: int
    media_type: str


def object_key(digest: str) -> str:
    """The object's key: fanned out so that no listing grows without bound."""
    return f"sha256/{digest[:2]}/{digest}"


def digest_of(path: Path) -> str:
    """The sha256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def connect(endpoint: str) -> "S3Client":
    """A client of the S3 server at an address; Amazon's without one."""
    # Retries are safe here because every object names its content; few, because Temporal
    # tries again too, and sooner than boto's growing pauses once the store is back.
    config = Config(
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=5,
        read_timeout=60,
        signature_version="s3v4",
        s3={"addressing_style": "path"} if endpoint else {},
        max_pool_connections=32,
    )
    session = botocore.session.Session()
    session.register_component("data_loader", _DESCRIPTIONS)
    made = session.create_client("s3", endpoint_url=endpoint or None, config=config)
    return cast("S3Client", made)


class AssetStore:
    """The bucket that holds every asset; all methods may be called from any thread.

    With a shelf, what was stored or fetched here lately is at hand and not fetched again.
    """

    def __init__(self, bucket: str, endpoint: str = "", shelf: Shelf | None = None) -> None:
        self.bucket = bucket
        self._shelf = shelf
        # Whether a URL of this store can be read from anywhere: Amazon's, or any with TLS.
        self.public = not endpoint or endpoint.startswith("https://")
        self._s3 = connect(endpoint)

    async def put(self, path: Path, media_type: str) -> Stored:
        """Store a file create-only under its digest; storing it again changes nothing."""
        return await asyncio.to_thread(self._put, path, media_type)

    async def fetch(self, digest: str, path: Path) -> None:
        """Stream an asset to a file and check its bytes. Raises NotFound or BadMedia."""
        await asyncio.to_thread(self._fetch, digest, path)

    def at_hand(self, digest: str) -> bool:
        """Whether an asset that was in the store can be had without asking the store."""
        return self._shelf is not None and self._shelf.holds(digest)

    async def load(self, digest: str, max_bytes: int) -> Loaded:
        """Read a small asset. Raises NotFound, or BadMedia when it is longer than `max_bytes`."""
        return await asyncio.to_thread(self._load, digest, max_bytes)

    async def size(self, digest: str) -> int:
        """The size of an asset in bytes. Raises NotFound."""
        return await asyncio.to_thread(self._size, digest)

    def url(self, digest: str, expires_s: int = PRESIGNED_S, filename: str = "") -> str:
        """A URL that reads one asset for a while; made without asking the store."""
        params: dict[str, Any] = {"Bucket": self.bucket, "Key": object_key(digest)}
        if filename:
            params["ResponseContentDisposition"] = f'inline; filename="{filename}"'
        return self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_s)

    @contextmanager
    def opened(self, digest: str, first: int, last: int) -> Iterator[IO[bytes]]:
        """The bytes of an asset from the first to the last, both counted. Raises NotFound."""
        with plain_errors(digest):
            answer = self._s3.get_object(
                Bucket=self.bucket, Key=object_key(digest), Range=f"bytes={first}-{last}"
            )
        with contextlib.closing(answer["Body"]) as body:
            yield cast(IO[bytes], body)

    def check(self) -> None:
        """Raise StoreUnavailable unless the bucket can be reached."""
        try:
            with plain_errors("the bucket"):
                self._s3.head_bucket(Bucket=self.bucket)
        except NotFound as error:
            raise StoreUnavailable(f"the store has no bucket {self.bucket}: create it") from error

    def _put(self, path: Path, media_type: str) -> Stored:
        digest, size = digest_of(path), path.stat().st_size
        stored = Stored(digest=digest, size=size, media_type=media_type)
        with plain_errors(digest):
            try:
                with path.open("rb") as body:
                    self._s3.put_object(
                        Bucket=self.bucket,
                        Key=object_key(digest),
                        Body=body,
                        ContentType=media_type,
                        IfNoneMatch="*",
                    )
            except ClientError as error:
                # 412 (or 409, a race) also answers a retry of our own write: what counts is
                # whether the object that is there has our content.
                if _status(error) not in (409, 412) or not self._holds(digest, size):
                    raise
        self._keep(digest, path)
        return stored

    def _keep(self, digest: str, path: Path) -> None:
        """Put on the shelf what is in the store; that it can't be kept there loses nothing."""
        try:
            if self._shelf:
                self._shelf.keep(digest, path)
        except OSError as error:
            log.warning("shelf.full", digest=digest, error=error.strerror)

    def _holds(self, digest: str, size: int) -> bool:
        try:
            return self._size(digest) == size
        except NotFound:  # the other writer of a race gave up
            return False

    def _fetch(self, digest: str, path: Path) -> None:
        if self._shelf and self._shelf.take(digest, path):
            return
        part = path.with_name(path.name + ".part")
        with plain_errors(digest):
            answer = self._s3.get_object(Bucket=self.bucket, Key=object_key(digest))
            with part.open("wb") as file:
                for piece in answer["Body"].iter_chunks(CHUNK_BYTES):
                    file.write(piece)
        if digest_of(part) != digest:
            part.unlink()
            raise BadMedia(f"the stored bytes of {digest} are not what their name says")
        part.replace(path)
        self._keep(digest, path)

    def _load(self, digest: str, max_bytes: int) -> Loaded:
        with plain_errors(digest):
            answer = self._s3.get_object(Bucket=self.bucket, Key=object_key(digest))
            if answer["ContentLength"] > max_bytes:
                raise BadMedia(f"the asset {digest} is longer than {max_bytes} bytes")
            return Loaded(data=answer["Body"].read(), media_type=answer["ContentType"])

    def _size(self, digest: str) -> int:
        with plain_errors(digest):
            found = self._s3.head_object(Bucket=self.bucket, Key=object_key(digest))
            return int(found["ContentLength"])


class plain_errors:  # noqa: N801 - used as a with-statement, reads like one
    """Turn boto's errors into ours."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError) and _status(error) == 404 and not _no_bucket(error):
            raise NotFound(f"the store has no {self.what}") from error
        if isinstance(error, ClientError | BotoCoreError):
            # Those say where the store is, and this is read by people who may not know.
            unsaid = isinstance(error, Unreached | HTTPClientError)
            said = type(error).__name__ if unsaid else str(error)
            raise StoreUnavailable(f"the store failed on {self.what}: {said}") from error


def _no_bucket(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") == "NoSuchBucket"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
