"""What the bucket tells of GPU works, as the functions themselves write it."""

import json
import secrets
from pathlib import Path

import boto3
import httpx
import pytest

from filmforge.domain import Receipt, Work, work_object
from filmforge.embedded import Servers
from filmforge.errors import StoreUnavailable
from filmforge.works import Works
from gpu_functions.desk import Desk
from tests.fake_process import free_port


@pytest.fixture
def works(servers: Servers) -> Works:
    return Works(servers.s3_bucket, servers.s3_endpoint)


@pytest.fixture
def desk(servers: Servers) -> Desk:
    return Desk(boto3.client("s3"), servers.s3_bucket)


@pytest.fixture
def work() -> Work:
    """A work that nobody has made."""
    return Work(key=secrets.token_hex(32), function="image_sdxl")


async def test_of_a_work_that_nobody_began_nothing_is_known(works: Works, work: Work) -> None:
    assert await works.receipt(work.key) is None
    assert await works.claim(work.key) is None


async def test_a_claim_names_the_call_for_as_long_as_it_is_at_work_or_has_made_it(
    works: Works, desk: Desk, work: Work
) -> None:
    async def fails() -> None:
        with desk.claimed(work.key, "fc-1"):
            assert await works.claim(work.key) == "fc-1"
            raise RuntimeError("no such luck")

    with pytest.raises(RuntimeError):
        await fails()
    assert await works.claim(work.key) is None
    with desk.claimed(work.key, "fc-2"):
        pass
    assert await works.claim(work.key) == "fc-2"


async def test_a_receipt_leads_to_the_output(
    works: Works, desk: Desk, work: Work, tmp_path: Path
) -> None:
    (tmp_path / "output").write_bytes(b"a picture")
    made = Receipt(key=work.key, call_id="fc-1", media_type="image/png", seconds=1.5)
    written = desk.finish(work, tmp_path / "output", made)
    receipt = await works.receipt(work.key)
    assert receipt == written
    assert receipt is not None
    assert receipt.digest is not None
    url = works.url(work.key, receipt.digest, 60)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).content == b"a picture"
        assert (await client.get(url.partition("?")[0])).status_code == httpx.codes.FORBIDDEN


@pytest.mark.parametrize("body", [b"{", json.dumps({"call": 1}).encode()])
async def test_what_cannot_be_read_is_not_taken_for_nothing(
    works: Works, servers: Servers, work: Work, body: bytes
) -> None:
    s3 = boto3.client("s3")
    for name in ("receipt", "claim"):
        s3.put_object(Bucket=servers.s3_bucket, Key=work_object(work.key, name), Body=body)
    with pytest.raises(StoreUnavailable, match="receipt cannot be read"):
        await works.receipt(work.key)
    with pytest.raises(StoreUnavailable, match="claim cannot be read"):
        await works.claim(work.key)


async def test_a_store_that_is_away_or_has_no_bucket_is_not_taken_for_an_empty_one(
    servers: Servers, work: Work
) -> None:
    away = Works(servers.s3_bucket, f"http://127.0.0.1:{free_port()}")
    other = Works("no-such-bucket", servers.s3_endpoint)
    for works in (away, other):
        with pytest.raises(StoreUnavailable):
            await works.receipt(work.key)
