"""What can be wished of SDXL: the parameters of a work, presets and schedulers."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from gpu_functions.controls import Kind
from gpu_functions.image_work import MOST_SIDE, Border
from gpu_functions.wishes import Wish


@dataclass(frozen=True)
class Quality:
    """A preset."""

    steps: int
    guidance: float


QUALITIES = {
    "draft": Quality(steps=14, guidance=5.0),
    "standard": Quality(steps=30, guidance=6.0),
    "high": Quality(steps=50, guidance=6.5),
}
# The class in diffusers and what it is told beyond SDXL's own schedule.
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"euler_at_final": True}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpmpp_2m_sde_karras": (
        "DPMSolverMultistepScheduler",
        {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"},
    ),
    "ddim": ("DDIMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
Side = Annotated[int, Field(ge=64, le=MOST_SIDE, multiple_of=8)]


class LoraWish(Wish):
    """A LoRA and how much of it."""

    name: str
    weight: Annotated[float, Field(ge=-2, le=2)] = 1.0


class ControlWish(Wish):
    """How closely a control picture is followed; `prepared` is one that needs no drawing."""

    weight: Annotated[float, Field(gt=0, le=2)] = 0.8
    prepared: bool = False


class ImageWish(Wish):
    """The parameters of a work."""

    prompt: Annotated[str, Field(min_length=1)]
    negative_prompt: str = ""
    width: Side | None = None
    height: Side | None = None
    quality: Literal["draft", "standard", "high"] = "standard"
    steps: Annotated[int, Field(ge=1, le=150)] | None = None
    guidance: Annotated[float, Field(ge=1, le=30)] | None = None
    scheduler: Literal[
        "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_karras", "dpmpp_2m_sde_karras", "ddim", "unipc"
    ] = "dpmpp_2m_karras"
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    outpaint: Border | None = None
    loras: Annotated[tuple[LoraWish, ...], Field(max_length=8)] = ()
    controls: dict[Kind, ControlWish] = {}
    style_weight: Annotated[float, Field(ge=0, le=2)] = 1.0
    reference_weight: Annotated[float, Field(ge=0, le=1)] = 0.6

    @field_validator("loras")
    @classmethod
    def _each_once(cls, asked: tuple[LoraWish, ...]) -> tuple[LoraWish, ...]:
        if len({lora.name for lora in asked}) < len(asked):
            raise ValueError("one is named twice")
        return asked

    @property
    def preset(self) -> Quality:
        """The steps and the guidance that hold in the end."""
        quality = QUALITIES[self.quality]
        return Quality(self.steps or quality.steps, self.guidance or quality.guidance)
