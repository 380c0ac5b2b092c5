"""The desk: what a function keeps of a work in the bucket: claim, checkpoints, output, receipt.

The claim is written create-only, so of any number of calls for one request key one works and the
others are told who does. The receipt is written create-only, too, and last: where there is one,
the work is done, whoever asks.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filmforge.domain import Receipt, Work, work_object
from filmforge.errors import NotConfigured

# A claim that was not renewed for so long is of a call that was killed. Renewed four times within.
LEASE_S = 120.0
RENEW_S = 30.0


class Held(Exception):
    """Another call has the claim."""

    def __init__(self, call_id: str) -> None:
        super().__init__(call_id)
        self.call_id = call_id


class Claim:
    """A claim that this call has; `lost` once another call has taken it over."""

    def __init__(self, write: Callable[[str], str | None], etag: str) -> None:
        self.lost = False
        self._write = write
        self._etag = etag
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="claim", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Renew it no more."""
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            etag = self._write(self._etag)
            if etag is None:
                self.lost = True
                return
            self._etag = etag


class Desk:
    """A bucket as functions use it; safe to be used by any thread."""

    def __init__(self, s3: Any, bucket: str, lease_s: float = LEASE_S) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._lease_s = lease_s

    @classmethod
    def opened(cls, bucket: str, endpoint: str = "") -> "Desk":
        """The bucket of that name, by boto3's own variables. Raises NotConfigured."""
        import boto3
        from botocore.config import Config

        if not bucket:
            raise NotConfigured("FILMFORGE_S3_BUCKET is not set: outputs have no place to go")
        config = Config(
            signature_version="s3v4",
            retries={"mode": "standard", "max_attempts": 5},
            s3={"addressing_style": "path"} if endpoint else {},
        )
        return cls(boto3.client("s3", endpoint_url=endpoint or None, config=config), bucket)

    def receipt(self, key: str) -> Receipt | None:
        """What came of a work, if it is done."""
        body = self._read(work_object(key, "receipt"))
        return Receipt.model_validate_json(body) if body else None

    @contextmanager
    def claimed(self, key: str, call_id: str) -> Iterator[Claim]:
        """Have a work to oneself; raises Held while another call has it.

        A call that begins again has its claim still. After a failure the claim is given back.
        """
        claim = Claim(lambda etag: self._claim(key, call_id, etag), self._take(key, call_id))
        try:
            yield claim
        except BaseException:
            claim.end()
            if not claim.lost:
                self._s3.delete_object(Bucket=self._bucket, Key=work_object(key, "claim"))
            raise
        claim.end()

    def finish(self, work: Work, path: Path, receipt: Receipt) -> Receipt:
        """Store an output and then its receipt; returns the receipt that stands in the end."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        receipt = receipt.model_copy(update={"digest": digest, "size": size})
        self._upload(work_object(work.key, f"output-{digest}"), path, receipt.media_type)
        body = receipt.model_dump_json().encode()
        if self._put(work_object(work.key, "receipt"), body, IfNoneMatch="*") is None:
            stands = self.receipt(work.key)
            assert stands is not None
            return stands
        return receipt

    def checkpoints(self, key: str) -> "BucketCheckpoints":
        """The checkpoints of a work."""
        return BucketCheckpoints(self, key)

    def save(self, key: str, name: str, path: Path) -> None:
        """Keep a checkpoint."""
        self._upload(work_object(key, f"checkpoint-{name}"), path, "application/octet-stream")

    def load(self, key: str, name: str, path: Path) -> bool:
        """Write a checkpoint to a path; False where there is none."""
        from botocore.exceptions import ClientError

        part = path.with_name(f"{path.name}.part")
        try:
            name = work_object(key, f"checkpoint-{name}")
            self._s3.download_file(self._bucket, name, str(part))
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise
        part.replace(path)
        return True

    def _take(self, key: str, call_id: str) -> str:
        """The etag of a claim that is ours now."""
        while True:
            etag = self._claim(key, call_id, None)
            if etag is not None:
                return etag
            answer = self._get(work_object(key, "claim"))
            if answer is None:
                continue  # it was given back just now
            held = json.loads(answer["Body"].read())
            if held["call_id"] != call_id and held["until"] > time.time():
                raise Held(held["call_id"])
            etag = self._claim(key, call_id, answer["ETag"])
            if etag is not None:
                return etag

    def _claim(self, key: str, call_id: str, etag: str | None) -> str | None:
        """Write a claim: where there is none, or in place of that of the etag; None: it is not."""
        body = json.dumps({"call_id": call_id, "until": time.time() + self._lease_s}).encode()
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        return self._put(work_object(key, "claim"), body, **condition)

    def _put(self, name: str, body: bytes, **condition: str) -> str | None:
        """Write a small object on a condition; None when the condition does not hold."""
        from botocore.exceptions import ClientError

        try:
            answer = self._s3.put_object(Bucket=self._bucket, Key=name, Body=body, **condition)
        except ClientError as error:
            if _status(error) not in (404, 409, 412):
                raise
            # boto3 may have sent it twice: the first may have been ours.
            found = self._get(name)
            mine = found is not None and found["Body"].read() == body
            return str(found["ETag"]) if mine and found else None
        return str(answer["ETag"])

    def _upload(self, name: str, path: Path, media_type: str) -> None:
        more = {"ContentType": media_type}
        self._s3.upload_file(str(path), self._bucket, name, ExtraArgs=more)

    def _read(self, name: str) -> bytes | None:
        answer = self._get(name)
        return None if answer is None else bytes(answer["Body"].read())

    def _get(self, name: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._s3.get_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise


class BucketCheckpoints:
    """The checkpoints of one work in the bucket."""

    def __init__(self, desk: Desk, key: str) -> None:
        self._desk = desk
        self._key = key

    def save(self, name: str, path: Path) -> None:
        """Keep a file under a name, in place of an earlier one."""
        self._desk.save(self._key, name, path)

    def load(self, name: str, path: Path) -> bool:
        """Write what was kept under a name to a path; False where there is nothing."""
        return self._desk.load(self._key, name, path)


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
