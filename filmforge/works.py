"""Works: what the bucket knows of what GPU functions make, whoever asked and whoever was told."""

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from filmforge.domain import Receipt, work_object
from filmforge.errors import NotFound, StoreUnavailable
from filmforge.store import PRESIGNED_S, connect, plain_errors

B = TypeVar("B", bound=BaseModel)


class _Claim(BaseModel):
    call_id: str


class Works:
    """The receipts, claims and outputs of works by their request keys; safe in any thread."""

    def __init__(self, bucket: str, endpoint: str = "") -> None:
        self.endpoint = endpoint
        self._bucket = bucket
        self._s3 = connect(endpoint)

    async def receipt(self, key: str) -> Receipt | None:
        """What came of a work, once it is done. Raises StoreUnavailable."""
        body = await asyncio.to_thread(self._read, work_object(key, "receipt"))
        return None if body is None else _parsed(Receipt, body)

    async def claim(self, key: str) -> str | None:
        """The call that is at a work, or was when it was killed. Raises StoreUnavailable."""
        body = await asyncio.to_thread(self._read, work_object(key, "claim"))
        return None if body is None else _parsed(_Claim, body).call_id

    def url(self, key: str, digest: str, expires_s: int = PRESIGNED_S) -> str:
        """A URL that reads the output of a work for a while; made without asking the bucket."""
        name = work_object(key, f"output-{digest}")
        params = {"Bucket": self._bucket, "Key": name}
        return self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_s)

    def _read(self, name: str) -> bytes | None:
        try:
            with plain_errors(name):
                return self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        except NotFound:
            return None


def _parsed(form: type[B], body: bytes) -> B:
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        what = "receipt" if form is Receipt else "claim"
        raise StoreUnavailable(f"the store's {what} cannot be read: {problem}") from None
