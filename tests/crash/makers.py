"""The providers under attack: models of each kind, and the processes that stand in for them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from filmforge.domain import Kind
from tests.fake_process import WEBHOOK_SECRET, FakeServer
from tests.fakes import fal, modal_service, openai, replicate
from tests.fakes.process import FakeVendor

# A request whose words hold this is accepted, but its answer is held back for a while.
HOLD = "(hold the answer)"
# The output of a request whose words hold this comes in drips.
DRIP = "(drip the output)"
# A list that lags shows a job later than a restarted worker would come round to look for it.
LAG_S = 8.0


@dataclass(frozen=True)
class Maker:
    """One model of one provider.

    `lists`: its jobs can be found by listing them; `calls`: its callbacks name a job whose answer
    was lost; `answers`: the answer to its POST is the asset itself; `drips`: its fake can be told
    to send an output slowly.
    """

    name: str
    ref: str
    kind: Kind
    lists: bool = False
    calls: bool = False
    answers: bool = False
    drips: bool = True

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.ref.partition(":")[0]


class Fake(Protocol):
    """What the arena asks of a fake provider's process."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def charges(self) -> dict[str, Any]: ...
    def settings(self, **changes: Any) -> dict[str, Any]: ...
    def set_faults(self, *faults: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Stand:
    """How a provider is stood in for: its fake, and the settings that lead there.

    `settings` are told the fake's address and whether callbacks are wanted. With `account_calls`
    the fake calls one address for all requests, so that every lane needs one of its own.
    """

    fake: Callable[[Path], Fake]
    settings: Callable[[str, bool], dict[str, Any]]
    faults: tuple[dict[str, Any], ...] = (
        {"fault": "accept_then_hang", "match": HOLD, "times": None, "seconds": 1.0},
        {"fault": "slow_drip", "match": DRIP, "times": None, "seconds": 0.05},
    )
    pace: Mapping[str, Any] = field(default_factory=lambda: {"latency_s": 0.1})
    account_calls: bool = False


def _fake(url: str, callback: bool) -> dict[str, Any]:
    secret = WEBHOOK_SECRET if callback else ""
    return {"fake_url": url, "fake_webhook_secret": SecretStr(secret)}


def _fal(url: str, _callback: bool) -> dict[str, Any]:
    return {
        "fal_key": SecretStr(fal.KEY),
        "fal_queue_url": url,
        "fal_api_url": url,
        "fal_jwks_url": f"{url}/.well-known/jwks.json",
    }


def _replicate(url: str, callback: bool) -> dict[str, Any]:
    return {
        "replicate_api_token": SecretStr(replicate.TOKEN),
        "replicate_base_url": url,
        "replicate_webhook_secret": SecretStr(replicate.SECRET if callback else ""),
    }


def _openai(url: str, callback: bool) -> dict[str, Any]:
    return {
        "openai_api_key": SecretStr(openai.KEY),
        "openai_base_url": f"{url}/v1",
        "openai_webhook_secret": SecretStr(openai.WEBHOOK_SECRET if callback else ""),
    }


def _elevenlabs(url: str, _callback: bool) -> dict[str, Any]:
    return {"elevenlabs_api_key": SecretStr("sk_of_a_fake"), "elevenlabs_base_url": url}


def _runway(url: str, _callback: bool) -> dict[str, Any]:
    return {"runwayml_api_secret": SecretStr("key_of_a_fake"), "runwayml_base_url": url}


def _modal(url: str, _callback: bool) -> dict[str, Any]:
    return {
        "modal_token_id": SecretStr(modal_service.TOKEN_ID),
        "modal_token_secret": SecretStr(modal_service.TOKEN_SECRET),
        "modal_server_url": url,
    }


def _vendor(name: str) -> Callable[[Path], Fake]:
    return lambda state: FakeVendor(f"tests.fakes.{name}", state)


STANDS: Mapping[str, Stand] = {
    "fake": Stand(
        FakeServer,
        _fake,
        faults=({"fault": "hang", "match": HOLD, "times": None},),
        pace={"latency_scale": 0.05},
    ),
    "fal": Stand(_vendor("fal"), _fal),
    "replicate": Stand(_vendor("replicate"), _replicate),
    "openai": Stand(_vendor("openai"), _openai, account_calls=True),
    "elevenlabs": Stand(_vendor("elevenlabs"), _elevenlabs),
    "runway": Stand(_vendor("runway"), _runway),
    "modal": Stand(_vendor("modal"), _modal),
}

MAKERS = (
    Maker("fake-image", "fake:image-1", Kind.IMAGE, lists=True, calls=True, drips=False),
    Maker("fal-image", "fal:fal-ai/flux/schnell", Kind.IMAGE, lists=True, calls=True),
    Maker("fal-video", "fal:fal-ai/ltx-2/image-to-video/fast", Kind.VIDEO, lists=True, calls=True),
    Maker(
        "replicate-image",
        "replicate:black-forest-labs/flux-schnell",
        Kind.IMAGE,
        lists=True,
        calls=True,
    ),
    Maker("openai-image", "openai:gpt-image-2.5-flare-low", Kind.IMAGE, calls=True),
    Maker("openai-speech", "openai:tts-1", Kind.AUDIO, answers=True),
    Maker(
        "elevenlabs-speech",
        "elevenlabs:eleven_multilingual_v2",
        Kind.AUDIO,
        lists=True,
        answers=True,
    ),
    Maker("runway-video", "runway:gen4_turbo", Kind.VIDEO),
    # Its output comes from our own bucket, which no fake can slow down.
    Maker("modal-image", "modal:image_sdxl", Kind.IMAGE, lists=True, drips=False),
)


class Fakes:
    """The fake providers, each as a process of its own; those that list also as one that lags."""

    def __init__(self, running: Mapping[tuple[str, bool], Fake]) -> None:
        self._running = running

    def of(self, provider: str, find: str) -> Fake:
        """The fake of a provider whose list is as wanted."""
        lagging = self._running.get((provider, True))
        return lagging if lagging and find == "lags" else self._running[provider, False]

    def settings(self, find: str, callback: bool) -> dict[str, Any]:
        """The settings that lead every provider to its fake."""
        told: dict[str, Any] = {}
        for provider in {name for name, _ in self._running}:
            told |= STANDS[provider].settings(self.of(provider, find).url, callback)
        return told

    def beside(self, others: "Fakes") -> "Fakes":
        """These and others."""
        return Fakes({**others._running, **self._running})


@contextmanager
def open_fakes(
    folder: Path, makers: Iterable[Maker], *, account_url: str | None = None
) -> Iterator[Fakes]:
    """The fakes of these makers, misbehaving for requests whose words ask for it.

    With `account_url` those that call one address for all requests, otherwise the others.
    """
    wanted = {
        (maker.provider, lagging)
        for maker in makers
        for lagging in {False, maker.lists}
        if STANDS[maker.provider].account_calls == (account_url is not None)
    }
    running: dict[tuple[str, bool], Fake] = {}
    try:
        for provider, lagging in sorted(wanted):
            stand = STANDS[provider]
            fake = stand.fake(folder / f"{provider}-{'lagging' if lagging else 'prompt'}.db")
            fake.start()
            running[provider, lagging] = fake
            fake.settings(listing_lag_s=LAG_S if lagging else 0, **stand.pace)
            if account_url is not None:
                fake.settings(webhook_url=f"{account_url}/v1/callbacks/{provider}")
            fake.set_faults(*stand.faults)
        yield Fakes(running)
    finally:
        for fake in running.values():
            fake.stop()
