"""What the tests of the `elevenlabs` provider share: requests, recorded payloads."""

from datetime import UTC, datetime, timedelta
from typing import Any

from filmforge.domain import GenerationRequest, Kind
from filmforge.providers.base import Terms
from filmforge.providers.catalogue import fit, load_models
from filmforge.providers.elevenlabs import ElevenLabsProvider
from tests.fakes.process import FakeVendor
from tests.providers.recordings import recording

KEY = "sk_0f5e1d2c3b4a"
LINE = "Keep the light on."
MODELS = load_models("elevenlabs")
TERMS = Terms(submit_timeout_s=4, listing_lag_s=0, private=True)
SPEECH, FLASH = "eleven_multilingual_v2", "eleven_flash_v2_5"
EFFECT, MUSIC = "eleven_text_to_sound_v2", "music_v1"


def payload(name: str) -> Any:
    return recording("elevenlabs", name)


def a_provider(fake: FakeVendor) -> ElevenLabsProvider:
    return ElevenLabsProvider(KEY, MODELS, TERMS, base_url=fake.url)


def asked(model: str, seed: int | None = None, **wish: Any) -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.AUDIO,
        provider="elevenlabs",
        model=model,
        parameters=fit(MODELS[model], wish),
        seed=seed,
    )


def line(
    text: str = LINE, voice: str = "narrator", model: str = SPEECH, seed: int | None = 7
) -> GenerationRequest:
    return asked(model, seed, text=text, voice=voice, mood="calm")


def effect(prompt: str = "a heavy door falls shut") -> GenerationRequest:
    return asked(EFFECT, prompt=prompt, duration="2.5")


def music() -> GenerationRequest:
    return asked(MUSIC, prompt="a slow waltz for harmonium", duration="3.5")


def posts(fake: FakeVendor) -> int:
    return sum(seen["method"] == "POST" for seen in fake.log()["requests"])


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)
