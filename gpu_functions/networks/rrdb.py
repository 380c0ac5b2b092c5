"""RRDBNet, the generator of ESRGAN and Real-ESRGAN: pictures four times as wide and as high.

Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (residual in
residual dense blocks, section 3.1); Wang et al. 2021, "Real-ESRGAN" (the weights). Written after
the papers; the parameters bear the names of the published checkpoints (github.com/xinntao/BasicSR,
Apache-2.0).
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate, leaky_relu

SCALE = 4
SLOPE = 0.2
# A dense block adds a fifth of what it found, which keeps deep stacks stable (section 3.1).
SHARE = 0.2


def fitting(state: Mapping[str, Any]) -> "RRDBNet":
    """A network of the sizes that a checkpoint was saved from, with its parameters."""
    blocks = {match[1] for key in state if (match := re.match(r"body\.(\d+)\.", key))}
    features = state["conv_first.weight"].shape[0]
    network = RRDBNet(features, state["body.0.rdb1.conv1.weight"].shape[0], len(blocks))
    network.load_state_dict(state)
    network.eval()
    return network


class RRDBNet(nn.Module):
    """RGB from 0 to 1 in, the same four times as large out, not clamped."""

    def __init__(self, features: int = 64, growth: int = 32, blocks: int = 23) -> None:
        super().__init__()
        self.features = features
        self.conv_first = _conv(3, features)
        self.body = nn.Sequential(*(_Residual(features, growth) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.conv_up1 = _conv(features, features)
        self.conv_up2 = _conv(features, features)
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, 3)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Batch by 3 by height by width."""
        shallow = self.conv_first(pictures)
        deep = shallow + self.conv_body(self.body(shallow))
        for conv in (self.conv_up1, self.conv_up2):
            deep = leaky_relu(conv(interpolate(deep, scale_factor=2, mode="nearest")), SLOPE)
        return self.conv_last(leaky_relu(self.conv_hr(deep), SLOPE))


class _Residual(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _Dense(features, growth)
        self.rdb2 = _Dense(features, growth)
        self.rdb3 = _Dense(features, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + SHARE * self.rdb3(self.rdb2(self.rdb1(x)))


class _Dense(nn.Module):
    """Five convolutions, each of which sees all that came before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv(features, growth)
        self.conv2 = _conv(features + growth, growth)
        self.conv3 = _conv(features + 2 * growth, growth)
        self.conv4 = _conv(features + 3 * growth, growth)
        self.conv5 = _conv(features + 4 * growth, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, leaky_relu(conv(seen), SLOPE)), 1)
        return x + SHARE * self.conv5(seen)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
