"""The steps of a training: noise is added to what was encoded once, and the LoRA learns to see it.

The loss is SDXL's own, the squared error of the predicted noise (arXiv 2006.11239), weighted by
min-SNR (arXiv 2303.09556) when that is wished. Whatever is drawn by chance is drawn from a
generator that is seeded by the work's seed and the number of the step or the round, so a training
that was broken off needs no memory of its dice: step 500 is the same whoever takes it.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict

from filmforge.errors import BadInput
from gpu_functions.training.dataset import Square

# The attention of every block: what diffusers' own script for SDXL trains.
ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")
CLIP_NORM = 1.0


@dataclass(frozen=True)
class Said:
    """A prompt as the UNet reads it: every token, and all of it in one vector."""

    tokens: Any
    pooled: Any


@dataclass(frozen=True)
class Example:
    """A picture in the VAE's latents, with its caption and SDXL's six numbers about its size."""

    latents: Any
    said: Said
    sizes: Any


def encode_words(pipeline: Any, texts: Sequence[str], device: str) -> list[Said]:
    """Prompts by both text encoders, which are on the device only meanwhile."""
    encoders = (pipeline.text_encoder, pipeline.text_encoder_2)
    for encoder in encoders:
        encoder.to(device)
    with torch.inference_mode():
        said = [
            pipeline.encode_prompt(text, device=device, do_classifier_free_guidance=False)
            for text in texts
        ]
    for encoder in encoders:
        encoder.to("cpu")
    return [Said(tokens.cpu().clone(), pooled.cpu().clone()) for tokens, _, pooled, _ in said]


def encode_picture(pipeline: Any, square: Square, said: Said) -> Example:
    """A picture and what is said of it, as the UNet is shown them."""
    vae = pipeline.vae
    pixels = pipeline.image_processor.preprocess(square.image).to(vae.device, vae.dtype)
    with torch.inference_mode():
        latents = vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor
    side = square.image.width
    sizes = torch.tensor([*square.original, *square.corner, side, side], dtype=torch.float32)
    return Example(latents[0].cpu().clone(), said, sizes)


class Training:
    """A LoRA on the UNet of an SDXL pipeline that learns step by step, until it is closed."""

    def __init__(
        self,
        pipeline: Any,
        examples: Sequence[Example],
        *,
        rank: int,
        learning_rate: float,
        batch: int,
        min_snr: float | None,
        seed: int,
    ) -> None:
        self.losses: list[float] = []
        self._unet = pipeline.unet
        self._schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
        self._examples = examples
        self._batch = batch
        self._min_snr = min_snr
        self._seed = seed
        self._parameters = self._adapted(rank)
        self._optimizer = torch.optim.AdamW(self._parameters.values(), lr=learning_rate)

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.losses)

    def advance(self) -> None:
        """Take one step. Raises BadInput when the training has diverged."""
        self._unet.train()
        loss = self._loss()
        if not math.isfinite(loss.item()):
            remedy = "Use a smaller one: 0.0001 is usual."
            raise BadInput("learning_rate", f"diverges at step {self.steps}", remedy)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), CLIP_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._unet.eval()
        self.losses.append(loss.item())

    def save(self, path: Path) -> None:
        """Write all that the next step depends on."""
        adapter = {name: value.detach().cpu() for name, value in self._parameters.items()}
        optimizer = self._optimizer.state_dict()
        torch.save({"losses": self.losses, "adapter": adapter, "optimizer": optimizer}, path)

    def load(self, path: Path) -> None:
        """Go on from what was written."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, value in self._parameters.items():
                value.copy_(state["adapter"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.losses = state["losses"]

    def weights(self) -> dict[str, Any]:
        """The LoRA by diffusers' names, in half precision, as such files usually are."""
        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(self._unet))
        return {
            f"unet.{name}": value.detach().to("cpu", torch.float16).contiguous()
            for name, value in sorted(layers.items())
        }

    def close(self) -> None:
        """Leave the UNet as it was."""
        self._unet.unload_lora()
        self._unet.disable_gradient_checkpointing()

    def _adapted(self, rank: int) -> dict[str, Any]:
        """Put the LoRA on the UNet; returns its parameters, in float32 whatever the UNet is in."""
        adapter = LoraConfig(
            r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(ADAPTED)
        )
        self._unet.requires_grad_(False)
        with torch.random.fork_rng():
            torch.manual_seed(_number(self._seed, "adapter"))
            self._unet.add_adapter(adapter)
        self._unet.enable_gradient_checkpointing()
        learns = {
            name: value for name, value in self._unet.named_parameters() if value.requires_grad
        }
        for value in learns.values():
            value.data = value.data.float()
        return learns

    def _loss(self) -> Any:
        device, dtype = self._unet.device, self._unet.dtype
        dice = torch.Generator().manual_seed(_number(self._seed, "step", self.steps))
        shown = self._shown()
        latents = torch.stack([example.latents for example in shown])
        noise = torch.randn(latents.shape, generator=dice)
        most = self._schedule.config.num_train_timesteps
        times = torch.randint(0, most, (len(shown),), generator=dice)
        noisy = self._schedule.add_noise(latents, noise, times)
        tokens = torch.cat([example.said.tokens for example in shown])
        pooled = torch.cat([example.said.pooled for example in shown])
        predicted = self._unet(
            noisy.to(device, dtype),
            times.to(device),
            tokens.to(device, dtype),
            added_cond_kwargs={
                "text_embeds": pooled.to(device, dtype),
                "time_ids": torch.stack([example.sizes for example in shown]).to(device),
            },
        ).sample
        errors = (predicted.float() - noise.to(device)).square().mean(dim=(1, 2, 3))
        return (errors * self._weight(times).to(device)).mean()

    def _weight(self, times: Any) -> Any:
        """What an error counts for at each time: min(SNR, gamma) / SNR, for predicted noise."""
        if self._min_snr is None:
            return torch.ones(len(times))
        signal = self._schedule.alphas_cumprod[times]
        ratio = signal / (1 - signal)
        return ratio.clamp(max=self._min_snr) / ratio

    def _shown(self) -> list[Example]:
        """The examples of this step: round after round, each round in an order of its own."""
        count = len(self._examples)
        places = range(self.steps * self._batch, (self.steps + 1) * self._batch)
        return [self._examples[self._order(place // count)[place % count]] for place in places]

    def _order(self, around: int) -> list[int]:
        dice = torch.Generator().manual_seed(_number(self._seed, "round", around))
        order: list[int] = torch.randperm(len(self._examples), generator=dice).tolist()
        return order


def _number(*parts: object) -> int:
    """A seed that is the same for the same parts, and unlike that of any others."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")
