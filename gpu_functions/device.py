"""The device that works: its memory, the numbers it counts in, and how a pipeline is placed."""

from dataclasses import dataclass
from typing import Any

from filmforge.errors import NotConfigured

GIB = 2**30
# What the CUDA context and the allocator keep for themselves.
RESERVE_GIB = 1.0


@dataclass(frozen=True)
class Device:
    """A GPU, or the processor; `budget_gib` of its memory may be used, `dtype` by torch's name."""

    kind: str
    name: str
    budget_gib: float
    dtype: str = "float32"

    @classmethod
    def here(cls, budget_gib: float | None = None) -> "Device":
        """The first GPU of this machine, otherwise its processor; the budget is all it has.

        Raises NotConfigured without torch.
        """
        import psutil

        try:
            import torch
        except ImportError:
            raise NotConfigured(
                "torch is not installed: run `make setup-gpu`, or install filmforge[gpu]"
            ) from None
        if torch.cuda.is_available():
            about = torch.cuda.get_device_properties(0)
            has = about.total_memory / GIB - RESERVE_GIB
            # Turing has no bfloat16; everything since Ampere does.
            dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
            return cls("cuda", about.name, min(budget_gib or has, has), dtype)
        has = psutil.virtual_memory().total / GIB
        return cls("cpu", "cpu", min(budget_gib or has, has))

    @property
    def torch_dtype(self) -> Any:
        """The torch dtype that weights are loaded in."""
        import torch

        return getattr(torch, self.dtype)

    @property
    def number_bytes(self) -> int:
        """Bytes of one number of the dtype."""
        return 4 if self.dtype == "float32" else 2

    def has_room(self, whole_gib: float) -> bool:
        """Whether what takes so much stays resident whole; on the processor everything does."""
        return self.kind != "cuda" or whole_gib <= self.budget_gib

    def generator(self, seed: int | None) -> Any:
        """A generator of noise; on the processor, so that a seed gives the same noise anywhere."""
        import torch

        return torch.Generator("cpu").manual_seed(seed or 0)

    def place(self, pipeline: Any, whole_gib: float, part_gib: float) -> str:
        """Put a diffusers pipeline on the device as its budget allows; returns how.

        `whole_gib` is what it takes with everything resident, `part_gib` with only its largest
        part: "resident", "offloaded" part by part, or "streamed" layer by layer.
        """
        if self.has_room(whole_gib):
            pipeline.to(self.kind)
            return "resident"
        if part_gib <= self.budget_gib:
            pipeline.enable_model_cpu_offload()
            return "offloaded"
        pipeline.enable_sequential_cpu_offload()
        return "streamed"

    def forget(self) -> None:
        """Give what the allocator keeps back to the device."""
        import gc

        import torch

        gc.collect()
        if self.kind == "cuda":
            torch.cuda.empty_cache()
