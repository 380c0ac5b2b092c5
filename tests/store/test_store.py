"""The store against moto: what each answer of S3 means to us."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from filmforge.errors import BadMedia, NotFound, StoreUnavailable
from filmforge.store import AssetStore, digest_of, object_key

BUCKET = "assets"
ABSENT = "ab" * 32


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket of moto's, as boto3 sees it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.Session().client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def store(s3: Any) -> AssetStore:
    return AssetStore(BUCKET)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(b"a picture")
    return path


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _answering(store: AssetStore, operation: str, code: str, status: int) -> Stubber:
    """A store whose next call of one operation is answered with an error."""
    stub = Stubber(store._s3)
    stub.add_client_error(operation, service_error_code=code, http_status_code=status)
    return stub


async def test_a_file_comes_back_as_it_was(
    store: AssetStore, picture: Path, tmp_path: Path
) -> None:
    stored = await store.put(picture, "image/png")
    assert (stored.digest, stored.size) == (digest_of(picture), 9)
    assert await store.size(stored.digest) == 9
    await store.fetch(stored.digest, tmp_path / "back.png")
    assert (tmp_path / "back.png").read_bytes() == b"a picture"


async def test_an_object_is_named_by_its_bytes_and_keeps_its_type(
    store: AssetStore, s3: Any, picture: Path
) -> None:
    stored = await store.put(picture, "image/png")
    key = f"sha256/{stored.digest[:2]}/{stored.digest}"
    assert object_key(stored.digest) == key
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentType"] == "image/png"


async def test_an_empty_file_is_a_file(store: AssetStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    stored = await store.put(tmp_path / "empty", "application/octet-stream")
    await store.fetch(stored.digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


async def test_storing_a_file_again_changes_nothing(
    store: AssetStore, s3: Any, picture: Path
) -> None:
    first = await store.put(picture, "image/png")
    again = await store.put(picture, "image/jpeg")
    assert again.digest == first.digest
    found = s3.head_object(Bucket=BUCKET, Key=object_key(first.digest))
    assert found["ContentType"] == "image/png"


async def test_an_object_of_another_size_under_our_name_is_no_success(
    store: AssetStore, s3: Any, picture: Path
) -> None:
    s3.put_object(Bucket=BUCKET, Key=object_key(digest_of(picture)), Body=b"something else")
    with pytest.raises(StoreUnavailable):
        await store.put(picture, "image/png")


async def test_a_lost_race_is_won_when_the_other_writer_wrote_the_same(
    store: AssetStore, s3: Any, picture: Path
) -> None:
    s3.put_object(Bucket=BUCKET, Key=object_key(digest_of(picture)), Body=b"a picture")
    with _answering(store, "put_object", "ConditionalRequestConflict", 409) as stub:
        stub.add_response("head_object", {"ContentLength": 9})
        assert (await store.put(picture, "image/png")).size == 9


async def test_a_lost_race_whose_winner_gave_up_is_tried_again_later(
    store: AssetStore, picture: Path
) -> None:
    with _answering(store, "put_object", "ConditionalRequestConflict", 409) as stub:
        stub.add_client_error("head_object", service_error_code="404", http_status_code=404)
        with pytest.raises(StoreUnavailable) as caught:
            await store.put(picture, "image/png")
    assert caught.value.retryable


async def test_what_is_not_there_is_not_found_and_leaves_no_file(
    store: AssetStore, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match=ABSENT):
        await store.size(ABSENT)
    with pytest.raises(NotFound, match=ABSENT):
        await store.fetch(ABSENT, tmp_path / "back")
    assert _names(tmp_path) == []


async def test_bytes_that_are_not_what_their_name_says_are_refused(
    store: AssetStore, s3: Any, tmp_path: Path
) -> None:
    s3.put_object(Bucket=BUCKET, Key=object_key(ABSENT), Body=b"other bytes")
    with pytest.raises(BadMedia, match=ABSENT):
        await store.fetch(ABSENT, tmp_path / "back")
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("put_object", "SlowDown", 503),
        ("put_object", "InternalError", 500),
        ("put_object", "AccessDenied", 403),
        ("put_object", "NoSuchBucket", 404),
        ("head_object", "403", 403),
        ("get_object", "SlowDown", 503),
        ("get_object", "NoSuchBucket", 404),
    ],
)
async def test_a_store_that_cannot_serve_is_unavailable_and_may_be_asked_again(
    store: AssetStore, picture: Path, tmp_path: Path, operation: str, code: str, status: int
) -> None:
    calls = {
        "put_object": lambda: store.put(picture, "image/png"),
        "head_object": lambda: store.size(ABSENT),
        "get_object": lambda: store.fetch(ABSENT, tmp_path / "back"),
    }
    with (
        _answering(store, operation, code, status),
        pytest.raises(StoreUnavailable, match="the store failed on") as caught,
    ):
        await calls[operation]()
    assert caught.value.retryable


def test_a_missing_bucket_makes_the_store_unavailable(store: AssetStore) -> None:
    store.check()
    with pytest.raises(StoreUnavailable, match="no bucket elsewhere: create it"):
        AssetStore("elsewhere").check()


async def test_a_server_that_does_not_answer_makes_the_store_unavailable_and_is_not_located(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    store = AssetStore(BUCKET, f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(StoreUnavailable) as caught:
        await store.size(ABSENT)
    assert str(unused_tcp_port) not in str(caught.value)
    with pytest.raises(StoreUnavailable):
        store.check()


def test_a_url_names_the_file_for_who_saves_it(store: AssetStore) -> None:
    url = store.url(ABSENT, 60, "attic.mp4")
    assert object_key(ABSENT) in url
    assert "attic.mp4" in url
    assert "X-Amz-Expires=60" in url
