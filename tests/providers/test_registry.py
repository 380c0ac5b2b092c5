"""The registry makes the providers an installation has and names what it lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from filmforge.domain import Kind
from filmforge.errors import BadInput, NotConfigured
from filmforge.providers.base import Provider
from filmforge.providers.fake import FakeProvider
from filmforge.providers.registry import Registry, build_registry
from filmforge.settings import Settings


async def no_asset(digest: str, path: Path) -> None:
    raise AssertionError(digest)


def a_registry(**settings: str) -> Registry:
    return build_registry(Settings.model_validate(settings), no_asset)


async def test_a_model_is_found_by_its_reference() -> None:
    registry = a_registry(fake_url="http://127.0.0.1:1")
    provider, model = registry.model("fake:image-1", Kind.IMAGE)
    assert (provider.name, model.id, model.kind) == ("fake", "image-1", Kind.IMAGE)
    assert registry.get("fake") is provider
    await registry.close()


async def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    registry = a_registry()
    with pytest.raises(BadInput, match=r"provider: no provider 'nonesuch'.*fake, fal, .*preview"):
        registry.get("nonesuch")
    with pytest.raises(BadInput, match=r"providers\.image: .*fake, fal, .*preview"):
        registry.model("nonesuch:image-1", Kind.IMAGE)


@pytest.mark.parametrize(
    ("ref", "problem"),
    [("fake:nonesuch", "no model 'nonesuch'"), ("fake:video-1", "'video-1' makes video")],
)
async def test_a_model_that_cannot_be_used_is_refused_with_those_that_can(
    ref: str, problem: str
) -> None:
    registry = a_registry(fake_url="http://127.0.0.1:1")
    with pytest.raises(BadInput, match=f"{problem}.*fake:image-1") as refusal:
        registry.model(ref, Kind.IMAGE)
    assert refusal.value.field == "providers.image"
    await registry.close()


async def test_a_provider_without_its_address_says_what_to_set() -> None:
    with pytest.raises(NotConfigured, match="FILMFORGE_FAKE_URL"):
        a_registry(fake_url="").get("fake")


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8333", "http://minio:9000", "http://10.0.0.7:9000"]
)
def test_modal_is_not_used_with_a_bucket_that_it_cannot_reach(endpoint: str) -> None:
    near = a_registry(
        modal_token_id="ak-1", modal_token_secret="as-1", s3_bucket="films", s3_endpoint=endpoint
    )
    with pytest.raises(NotConfigured, match=r"AWS_ENDPOINT_URL_S3.*filmforge worker --gpu local"):
        near.get("modal")


def test_modal_without_a_token_or_a_bucket_says_what_to_set() -> None:
    with pytest.raises(NotConfigured, match="MODAL_TOKEN_SECRET"):
        a_registry(modal_token_id="ak-1").get("modal")
    with pytest.raises(NotConfigured, match="FILMFORGE_S3_BUCKET"):
        a_registry(modal_token_id="ak-1", modal_token_secret="as-1", s3_bucket="").get("modal")


async def test_every_provider_is_closed_even_when_one_fails_to() -> None:
    closed: list[str] = []

    class Closing(FakeProvider):
        async def close(self) -> None:
            await super().close()
            closed.append(self.name)
            raise RuntimeError("cannot close")

    def make() -> Provider:
        return Closing("http://127.0.0.1:1")

    registry = Registry({"a": make, "b": make})
    registry.get("a")
    registry.get("b")
    with pytest.raises(RuntimeError, match="cannot close"):
        await registry.close()
    assert closed == ["fake", "fake"]


def test_a_registry_imports_no_provider_before_it_is_asked() -> None:
    code = (
        "import sys, filmforge.providers.registry as r;SHARED={'base','catalogue','registry'};"
        "bad = [m for m in sys.modules if m in {'PIL', 'numpy', 'httpx'}"
        " or m.startswith('filmforge.providers.') and m.split('.')[2] not in SHARED];"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
