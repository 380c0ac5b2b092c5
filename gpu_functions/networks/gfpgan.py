"""GFPGAN, clean layout of versions 1.3 and 1.4: a face restored by what StyleGAN2 knows of faces.

Wang et al. 2021, "Towards Real-World Blind Face Restoration with Generative Facial Prior": a U-Net
finds a latent code and, for each size, how half of the generator's channels are scaled and shifted
(section 3.4). The generator is that of Karras et al. 2020, "Analyzing and Improving the Image
Quality of StyleGAN", with bilinear resizing in place of its filters. Parameters bear the names of
the published checkpoints (github.com/TencentARC/GFPGAN, Apache-2.0).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, leaky_relu

SLOPE = 0.2
# Leaky ReLUs halve the variance, nearly; StyleGAN2 makes up for it.
GAIN = 2**0.5
# Parameters that only training uses: a mapping from noise, and pictures of each size for its loss.
TRAINING_ONLY = ("stylegan_decoder.style_mlp.", "toRGB.")


def fitting(state: Mapping[str, Any]) -> "Gfpgan":
    """A network of the sizes that a checkpoint was saved from, with its parameters."""
    used = {key: value for key, value in state.items() if not key.startswith(TRAINING_ONLY)}
    sizes = sum(key.startswith("conv_body_up.") and key.endswith("skip.weight") for key in used)
    ups = [used[f"conv_body_up.{n}.conv2.weight"].shape[0] for n in range(sizes)]
    first = used["stylegan_decoder.constant_input.weight"].shape[1]
    wide = [used[f"stylegan_decoder.style_convs.{2 * n}.bias"].shape[1] for n in range(sizes)]
    style = used["stylegan_decoder.style_conv1.modulated_conv.modulation.weight"].shape[1]
    network = Gfpgan([used["final_conv.weight"].shape[0], *ups], [first, *wide], style)
    network.load_state_dict(used)
    network.eval()
    return network


class Gfpgan(nn.Module):
    """RGB faces from -1 to 1 in, aligned and square, and the same out, restored, not clamped.

    `narrow` are the channels of the U-Net from four pixels a side upwards, each size twice the one
    before, `wide` those of the generator; `style` is the length of a latent code.
    """

    def __init__(
        self,
        narrow: Sequence[int] = (256, 256, 256, 256, 256, 128, 64, 32),
        wide: Sequence[int] = (512, 512, 512, 512, 512, 256, 128, 64),
        style: int = 512,
    ) -> None:
        super().__init__()
        self.side = 4 * 2 ** (len(narrow) - 1)
        self.style = style
        ups = list(pairwise(narrow))
        self.conv_body_first = nn.Conv2d(3, narrow[-1], 1)
        self.conv_body_down = nn.ModuleList(_Resized(b, a, 0.5) for a, b in reversed(ups))
        self.final_conv = nn.Conv2d(narrow[0], narrow[0], 3, padding=1)
        self.final_linear = nn.Linear(narrow[0] * 16, 2 * len(narrow) * style)
        self.conv_body_up = nn.ModuleList(_Resized(a, b, 2) for a, b in ups)
        self.condition_scale = nn.ModuleList(_condition(b) for b in narrow[1:])
        self.condition_shift = nn.ModuleList(_condition(b) for b in narrow[1:])
        self.stylegan_decoder = _Generator(wide, style)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Batch by 3 by side by side."""
        x = leaky_relu(self.conv_body_first(faces), SLOPE)
        skips = []
        for down in self.conv_body_down:
            x = down(x)
            skips.append(x)
        x = leaky_relu(self.final_conv(x), SLOPE)
        codes = self.final_linear(x.flatten(1)).view(len(x), -1, self.style)
        conditions = []
        for up, scale, shift in zip(
            self.conv_body_up, self.condition_scale, self.condition_shift, strict=True
        ):
            x = up(x + skips.pop())
            conditions.append((scale(x), shift(x)))
        return self.stylegan_decoder(codes, conditions)


class _Resized(nn.Module):
    def __init__(self, inputs: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        new = _resized(leaky_relu(self.conv1(x), SLOPE), self.scale)
        return leaky_relu(self.conv2(new), SLOPE) + self.skip(_resized(x, self.scale))


class _Generator(nn.Module):
    def __init__(self, wide: Sequence[int], style: int) -> None:
        super().__init__()
        self.constant_input = _Constant(wide[0])
        self.style_conv1 = _Styled(wide[0], wide[0], style)
        self.to_rgb1 = _ToRgb(wide[0], style)
        pairs = list(pairwise(wide))
        self.style_convs = nn.ModuleList(
            conv
            for a, b in pairs
            for conv in (_Styled(a, b, style, upsample=True), _Styled(b, b, style))
        )
        self.to_rgbs = nn.ModuleList(_ToRgb(b, style) for _, b in pairs)
        self.noises = _Noises(len(pairs))

    def forward(
        self, codes: torch.Tensor, conditions: Sequence[tuple[torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        code = codes.unbind(1)
        x = self.constant_input.weight.expand(len(codes), -1, -1, -1)
        x = self.style_conv1(x, code[0], self.noises.noise0)
        rgb = self.to_rgb1(x, code[1])
        for n, (condition, to_rgb) in enumerate(zip(conditions, self.to_rgbs, strict=True)):
            at = 2 * n + 1
            x = self.style_convs[2 * n](x, code[at], getattr(self.noises, f"noise{at}"))
            x = _conditioned(x, *condition)
            noise = getattr(self.noises, f"noise{at + 1}")
            x = self.style_convs[2 * n + 1](x, code[at + 1], noise)
            rgb = _resized(rgb, 2) + to_rgb(x, code[at + 2])
        return rgb


class _Constant(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, 4, 4))


class _Noises(nn.Module):
    """The noise that a checkpoint brings, so that a face is restored the same each time."""

    def __init__(self, sizes: int) -> None:
        super().__init__()
        for n in range(2 * sizes + 1):
            side = 2 ** ((n + 5) // 2)
            self.register_buffer(f"noise{n}", torch.randn(1, 1, side, side))


class _Modulated(nn.Module):
    """A convolution whose inputs are weighed by a latent code."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, demodulate: bool
    ) -> None:
        super().__init__()
        self.demodulate = demodulate
        self.modulation = nn.Linear(style, inputs)
        self.weight = nn.Parameter(
            torch.randn(1, outputs, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5
        )

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        weight = self.weight * self.modulation(code)[:, None, :, None, None]
        if self.demodulate:
            weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        # Each face has weights of its own: the batch is one picture with groups.
        batch, _, height, width = x.shape
        together = x.reshape(1, -1, height, width)
        new = conv2d(together, weight.flatten(0, 1), padding=weight.shape[-1] // 2, groups=batch)
        return new.view(batch, -1, height, width)


class _Styled(nn.Module):
    def __init__(self, inputs: int, outputs: int, style: int, upsample: bool = False) -> None:
        super().__init__()
        self.upsample = upsample
        self.modulated_conv = _Modulated(inputs, outputs, 3, style, demodulate=True)
        self.weight = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x: torch.Tensor, code: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        new = self.modulated_conv(_resized(x, 2) if self.upsample else x, code) * GAIN
        return leaky_relu(new + self.weight * noise + self.bias, SLOPE)


class _ToRgb(nn.Module):
    def __init__(self, inputs: int, style: int) -> None:
        super().__init__()
        self.modulated_conv = _Modulated(inputs, 3, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return self.modulated_conv(x, code) + self.bias


def _condition(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(channels, channels, 3, padding=1),
    )


def _conditioned(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The last channels scaled and shifted; the first ones are left to the generator."""
    free = x.shape[1] - scale.shape[1]
    return torch.cat((x[:, :free], x[:, free:] * scale + shift), 1)


def _resized(x: torch.Tensor, scale: float) -> torch.Tensor:
    return interpolate(x, scale_factor=scale, mode="bilinear")
