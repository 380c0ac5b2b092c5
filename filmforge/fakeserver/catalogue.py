"""What the server offers: its models, what they take, what they cost and how long they need."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from filmforge.fields import Pixels, Rate, Seconds

ModelName = Literal["image-1", "video-1", "voice-1"]
MAX_WORDS = 32_000

Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS)]


class ImageInput(BaseModel):
    """What image-1 takes; sizes in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Words
    negative_prompt: str = ""
    width: Pixels = 1280
    height: Pixels = 720

    def units(self) -> Decimal:
        """Images charged."""
        return Decimal(1)


class ClipInput(ImageInput):
    """What video-1 takes; `duration` in seconds, `fps` in frames a second."""

    fps: Rate = Fraction(24)
    duration: Seconds

    def units(self) -> Decimal:
        """Seconds charged."""
        return self.duration


class VoiceInput(BaseModel):
    """What voice-1 takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Words
    voice: str = "narrator"

    def units(self) -> Decimal:
        """Characters charged."""
        return Decimal(len(self.text))


Input = ImageInput | ClipInput | VoiceInput


@dataclass(frozen=True)
class Offer:
    """One model on offer; `latency_s` is how long a job takes, in seconds."""

    model: ModelName
    takes: type[ImageInput] | type[ClipInput] | type[VoiceInput]
    usd: Decimal
    unit: Literal["item", "second", "character"]
    latency_s: float
    extension: str
    content_type: str

    def cost(self, order: Input) -> Decimal:
        """What a job costs, in US dollars."""
        return self.usd * order.units()


OFFERS: dict[str, Offer] = {
    offer.model: offer
    for offer in (
        Offer("image-1", ImageInput, Decimal("0.003"), "item", 2, "png", "image/png"),
        Offer("video-1", ClipInput, Decimal("0.01"), "second", 6, "mp4", "video/mp4"),
        Offer("voice-1", VoiceInput, Decimal("0.000015"), "character", 1, "wav", "audio/wav"),
    )
}
