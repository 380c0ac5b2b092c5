"""The store against a real S3 server: what moto does not tell."""

import asyncio
import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from filmforge.embedded import Servers
from filmforge.errors import BadMedia, NotFound
from filmforge.store import AssetStore, digest_of, object_key

BIG_BYTES = 30_000_000
HELD_BYTES = 8_000_000


@pytest.fixture
def store(servers: Servers) -> AssetStore:
    return AssetStore(servers.s3_bucket, servers.s3_endpoint)


@pytest.fixture
def s3(servers: Servers) -> Any:
    """The same server as boto3 sees it."""
    return boto3.Session().client("s3", endpoint_url=servers.s3_endpoint)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file that no other test has stored."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(100_000))
    return path


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_file_comes_back_as_it_was_with_its_type(
    store: AssetStore, s3: Any, clip: Path, tmp_path: Path
) -> None:
    store.check()
    stored = await store.put(clip, "video/mp4")
    assert await store.size(stored.digest) == stored.size == 100_000
    await store.fetch(stored.digest, tmp_path / "back.mp4")
    assert digest_of(tmp_path / "back.mp4") == stored.digest
    found = s3.head_object(Bucket=store.bucket, Key=object_key(stored.digest))
    assert found["ContentType"] == "video/mp4"


async def test_nobody_can_write_over_a_stored_file(
    store: AssetStore, s3: Any, clip: Path, tmp_path: Path
) -> None:
    stored = await store.put(clip, "video/mp4")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(
            Bucket=store.bucket, Key=object_key(stored.digest), Body=b"other", IfNoneMatch="*"
        )
    assert await store.put(clip, "video/mp4") == stored
    await store.fetch(stored.digest, tmp_path / "back.mp4")


async def test_ten_writers_of_one_file_at_once_all_succeed_and_one_writes(
    store: AssetStore, s3: Any, clip: Path
) -> None:
    stored = await asyncio.gather(*(store.put(clip, "video/mp4") for _ in range(10)))
    assert len(set(stored)) == 1
    prefix = object_key(stored[0].digest)
    assert s3.list_objects_v2(Bucket=store.bucket, Prefix=prefix)["KeyCount"] == 1


async def test_what_is_not_there_is_not_found(store: AssetStore, tmp_path: Path) -> None:
    absent = digest_of(Path(__file__))
    with pytest.raises(NotFound, match=absent):
        await store.size(absent)
    with pytest.raises(NotFound, match=absent):
        await store.fetch(absent, tmp_path / "back")


async def test_an_object_that_was_tampered_with_is_refused(
    store: AssetStore, s3: Any, clip: Path, tmp_path: Path
) -> None:
    stored = await store.put(clip, "video/mp4")
    other = b"x" * stored.size
    s3.put_object(Bucket=store.bucket, Key=object_key(stored.digest), Body=other)
    with pytest.raises(BadMedia, match="are not what their name says"):
        await store.fetch(stored.digest, tmp_path / "back.mp4")
    assert _names(tmp_path) == ["clip.mp4"]


async def test_a_signed_url_reads_one_file_for_whoever_has_it(
    store: AssetStore, clip: Path
) -> None:
    stored = await store.put(clip, "video/mp4")
    url = store.url(stored.digest, filename="attic.mp4")
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        bare = await client.get(url.partition("?")[0])
    assert hashlib.sha256(answer.content).hexdigest() == stored.digest
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'inline; filename="attic.mp4"'
    assert bare.status_code == 403


async def test_a_signed_url_stops_reading_when_its_time_is_over(
    store: AssetStore, clip: Path
) -> None:
    stored = await store.put(clip, "video/mp4")
    url = store.url(stored.digest, expires_s=2)
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        status = (await client.get(url)).status_code
        assert status == 200
        while status == 200:
            await asyncio.sleep(0.2)
            status = (await client.get(url)).status_code
    assert status == 403


async def test_a_large_file_streams_both_ways_without_being_held_in_memory(
    store: AssetStore, tmp_path: Path
) -> None:
    big = tmp_path / "film.mp4"
    big.write_bytes(os.urandom(BIG_BYTES))
    digest = digest_of(big)
    tracemalloc.start()
    try:
        await store.put(big, "video/mp4")
        await store.fetch(digest, tmp_path / "back.mp4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "back.mp4").stat().st_size == BIG_BYTES
    assert peak < HELD_BYTES
