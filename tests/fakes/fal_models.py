"""The models of the fake fal: what they make, lack and cost."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Any

from tests.fakes.faults import Fault
from tests.fakes.state import Kind

SECOND, MEGAPIXEL, ITEM, CHARACTER = "second", "megapixel", "item", "character"
PRICES: dict[str, tuple[str, str]] = {
    "fal-ai/flux/schnell": ("0.003", MEGAPIXEL),
    "fal-ai/flux/dev": ("0.025", MEGAPIXEL),
    "fal-ai/flux-pro/v1.1": ("0.04", MEGAPIXEL),
    "fal-ai/kling-video/v2.5-turbo/pro/image-to-video": ("0.07", SECOND),
    "fal-ai/kling-video/v2.5-turbo/standard/image-to-video": ("0.042", SECOND),
    "fal-ai/kling-video/v3/pro/image-to-video": ("0.112", SECOND),
    "fal-ai/minimax/hailuo-02/standard/image-to-video": ("0.045", SECOND),
    "fal-ai/minimax/hailuo-2.3/standard/image-to-video": ("0.28", ITEM),
    "fal-ai/minimax/hailuo-2.3-fast/standard/image-to-video": ("0.19", ITEM),
    "fal-ai/ltx-2/image-to-video": ("0.06", SECOND),
    "fal-ai/ltx-2/image-to-video/fast": ("0.04", SECOND),
    "fal-ai/veo3.1/image-to-video": ("0.20", SECOND),
    "fal-ai/veo3.1/fast/image-to-video": ("0.10", SECOND),
    "fal-ai/kokoro/american-english": ("0.00002", CHARACTER),
    "acme/painter/v9": ("0.01", ITEM),
}
MEDIA = {"image": "image/png", "video": "video/mp4", "audio": "audio/wav"}
FILES = {"image": "png", "video": "mp4", "audio": "wav"}
CLIP_SIZE = (320, 180)


def kind_of(model: str) -> Kind:
    """What a model makes."""
    if "video" in model:
        return "video"
    return "audio" if "kokoro" in model else "image"


def seconds_of(body: dict[str, Any]) -> float:
    """How long a clip is ordered."""
    found = re.match(r"\d+", str(body.get("duration", "")))
    return float(found[0]) if found else 1.0


def size_of(kind: Kind, body: dict[str, Any]) -> tuple[int, int]:
    """How large a picture is ordered, in pixels."""
    size = body.get("image_size")
    if kind != "image" or not isinstance(size, dict):
        return CLIP_SIZE
    return size["width"], size["height"]


def cost_of(model: str, body: dict[str, Any]) -> Decimal:
    """What fal takes for an order, in US dollars."""
    price, unit = PRICES[model]
    units = Decimal(1)
    if unit == SECOND:
        units = Decimal(str(seconds_of(body)))
    elif unit == CHARACTER:
        units = Decimal(len(str(body.get("prompt", ""))))
    elif unit == MEGAPIXEL:
        size = body.get("image_size") or {"width": 1024, "height": 768}
        pixels = Decimal(size["width"] * size["height"]) / 1_000_000
        units = pixels.to_integral_value(ROUND_CEILING)
    return Decimal(price) * units


def wrong_with(model: str, body: dict[str, Any]) -> Fault | None:
    """What the model's own validation finds, which is billed nothing here."""
    needed = ["prompt"]
    if "image-to-video" in model:
        needed.append("start_image_url" if "/v3/" in model else "image_url")
    lacking = [name for name in needed if not body.get(name)]
    if not lacking:
        return None
    return Fault(fault="job_fails", code="missing", message=f"{lacking[0]}: field required")
