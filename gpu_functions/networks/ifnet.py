"""IFNet of RIFE 4.13: the picture between two pictures, at any share of the time between them.

Huang et al. 2022, "Real-Time Intermediate Flow Estimation for Video Frame Interpolation": coarse to
fine, each block corrects the flow from the picture between to either side and the mask that says
which side to take. The layout of version 4.13 (github.com/hzwer/Practical-RIFE, MIT) adds features
of both pictures; parameters bear the names of its checkpoints.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import grid_sample, interpolate, leaky_relu

SLOPE = 0.2
# Each block looks at the pictures so much smaller, and itself works at a quarter of that.
SCALES = (8, 4, 2, 1)
MULTIPLE = 32
LAYERS = 8


def fitting(state: Mapping[str, Any]) -> "IFNet":
    """A network of the sizes that a checkpoint was saved from, with its parameters."""
    widths = [state[f"block{n}.conv0.1.0.weight"].shape[0] for n in range(len(SCALES))]
    network = IFNet(widths, *state["encode.cnn3.weight"].shape[:2])
    network.load_state_dict(state)
    network.eval()
    return network


class IFNet(nn.Module):
    """Two batches of pictures and shares of the time between them in, the pictures there out.

    Pictures are RGB from 0 to 1, batch by 3 by height by width, both sides multiples of 32; shares
    are one number a picture.
    """

    def __init__(
        self, widths: Sequence[int] = (192, 128, 96, 64), hidden: int = 32, features: int = 8
    ) -> None:
        super().__init__()
        seen = 2 * (3 + features) + 1
        flow_and_mask = 5
        self.block0 = _Block(seen, widths[0])
        self.block1 = _Block(seen + flow_and_mask, widths[1])
        self.block2 = _Block(seen + flow_and_mask, widths[2])
        self.block3 = _Block(seen + flow_and_mask, widths[3])
        self.encode = _Features(hidden, features)

    def forward(
        self, before: torch.Tensor, after: torch.Tensor, shares: torch.Tensor
    ) -> torch.Tensor:
        """The pictures between, from 0 to 1."""
        share = shares.view(-1, 1, 1, 1).to(before).expand_as(before[:, :1])
        sides = before, after
        features = self.encode(before), self.encode(after)
        first, *others = zip(
            (self.block0, self.block1, self.block2, self.block3), SCALES, strict=True
        )
        block, scale = first
        flow, mask = block(torch.cat((*sides, *features, share), 1), None, scale)
        for block, scale in others:
            seen = (*_moved(sides, flow), *_moved(features, flow), share, mask)
            change, mask = block(torch.cat(seen, 1), flow, scale)
            flow = flow + change
        left, right = _moved(sides, flow)
        return torch.lerp(right, left, mask.sigmoid()).clamp(0, 1)


class _Features(nn.Module):
    def __init__(self, hidden: int, features: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, hidden, 3, 2, 1)
        self.cnn1 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.cnn2 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(hidden, features, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in (self.cnn0, self.cnn1, self.cnn2):
            x = leaky_relu(conv(x), SLOPE)
        return self.cnn3(x)


class _Block(nn.Module):
    """Flow (two numbers to either side) and mask, from what is known of them so far."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halving(inputs, width // 2), _halving(width // 2, width))
        self.convblock = nn.Sequential(*(_Layer(width) for _ in range(LAYERS)))
        # Of six numbers a pixel, four are flow, one is mask; the last is not used.
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * 6, 4, 2, 1), nn.PixelShuffle(2))

    def forward(
        self, seen: torch.Tensor, flow: torch.Tensor | None, scale: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = _resized(seen, 1 / scale)
        if flow is not None:
            x = torch.cat((x, _resized(flow, 1 / scale) / scale), 1)
        found = _resized(self.lastconv(self.convblock(self.conv0(x))), scale)
        return found[:, :4] * scale, found[:, 4:5]


class _Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return leaky_relu(x + self.conv(x) * self.beta, SLOPE)


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(SLOPE))


def _resized(x: torch.Tensor, scale: float) -> torch.Tensor:
    return x if scale == 1 else interpolate(x, scale_factor=scale, mode="bilinear")


def _moved(sides: tuple[torch.Tensor, torch.Tensor], flow: torch.Tensor) -> list[torch.Tensor]:
    """What either side shows where the flow points."""
    height, width = flow.shape[-2:]
    ys = torch.arange(height, device=flow.device, dtype=flow.dtype).view(1, -1, 1)
    xs = torch.arange(width, device=flow.device, dtype=flow.dtype).view(1, 1, -1)
    moved = []
    for side, (dx, dy) in zip(sides, (flow[:, :2].unbind(1), flow[:, 2:].unbind(1)), strict=True):
        grid = torch.stack(
            ((xs + dx) * (2 / (width - 1)) - 1, (ys + dy) * (2 / (height - 1)) - 1), -1
        )
        moved.append(grid_sample(side, grid, padding_mode="border", align_corners=True))
    return moved
