"""Parallax: what a moving camera sees of a still picture, when it is known how near each pixel is.

For each frame the nearness of the picture is moved to where the camera sees it, the nearest first;
then each pixel of the frame fetches its colour from the picture (backward warping, so that nothing
is torn). What comes into view from behind something near is not in the picture: it is fetched from
a second one, in which all that stands before something farther is painted over from its
surroundings, once for all frames, so that it does not flicker.
"""

from collections.abc import Iterator, Sequence
from math import ceil, cos, pi, sin
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, grid_sample, max_pool2d

from gpu_functions.pictures import Picture

# Nearness is 0 to 1; what is farthest still moves, by this share of what is nearest.
FAR = 0.2
# Two pixels with a greater difference of nearness belong to different things.
EDGE = 0.08
# Guesses where a painted-over pixel comes from; each is right where the background is even.
GUESSES = 3


class View(NamedTuple):
    """Where the camera is, in shares of the width from where the picture was taken."""

    right: float = 0.0
    down: float = 0.0
    forward: float = 0.0


def path(camera: str, amount: float, frames: int) -> list[View]:
    """The way of the camera, slow at its start and at its end.

    Sideways, `amount` is how far the nearest thing moves through the frame, as a share of its
    width; forward, how much of the way to the nearest thing is gone.
    """
    views = []
    for index in range(frames):
        share = index / max(1, frames - 1)
        eased = share**2 * (3 - 2 * share)
        aside = amount * (eased - 0.5)
        turn = 2 * pi * share
        views.append(
            {
                "push_in": View(forward=amount * eased),
                "pull_out": View(forward=amount * (1 - eased)),
                "pan_left": View(right=-aside),
                "pan_right": View(right=aside),
                "tilt_up": View(down=-aside),
                "tilt_down": View(down=aside),
                "orbit": View(right=amount / 2 * sin(turn), down=amount / 4 * (1 - cos(turn))),
            }[camera]
        )
    return views


class Scene:
    """A picture with its nearness (height by width, 0 to 1), ready to be seen from elsewhere.

    `views` are all that will be asked for: the frame is enlarged so that none of them shows what
    lies beside the picture, and as much is painted over as they can uncover.
    """

    def __init__(self, picture: Picture, nearness: Any, views: Sequence[View], device: str) -> None:
        height, width = picture.shape[:2]
        self._size = torch.tensor((width, height), dtype=torch.float32, device=device)
        near = _crisp(nearness.to(device, torch.float32)[None, None])
        uncovered = max(_reach(view) for view in views) * width
        behind, hidden = _behind(near, uncovered)
        self._front = torch.cat((_tensor(picture, device), near), 1)
        self._back = torch.cat((_tensor(_painted(picture, hidden), device), behind), 1)
        beside = max(
            max(abs(view.right), abs(view.down) * width / height) / (1 - view.forward)
            for view in views
        )
        self._enlarged = 1 / (1 - 2 * beside)

    def seen(self, views: Sequence[View]) -> Iterator[Picture]:
        """The frames from these views, made together."""
        with torch.inference_mode():
            views_ = torch.tensor(views, device=self._front.device)[:, :, None, None]
            near = self._moved(views_)
            hole = (near < 0).float()
            front = self._fetched(self._front, views_, near)
            shown = near.clamp(min=0)
            for _ in range(GUESSES):
                back = self._fetched(self._back, views_, shown)
                shown = back[:, 3:]
            # The border of a hole is softened, as the edge of a thing is in a picture.
            frames = torch.lerp(front[:, :3], back[:, :3], avg_pool2d(hole, 3, 1, 1))
            shades = (frames * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
            yield from shades.cpu().numpy()

    def _moved(self, views: torch.Tensor) -> torch.Tensor:
        """The nearness as the camera sees it; -1 where nothing of the picture is."""
        near = self._front[:, 3:]
        width, height = (int(side) for side in self._size)
        depth = FAR + (1 - FAR) * near
        there = self._places() - views[:, :2] * depth * self._size[0]
        there = there * self._enlarged / (1 - views[:, 2:] * depth)
        column, row = (there + self._size.view(1, 2, 1, 1) / 2 - 0.5).round().long().unbind(1)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        # What falls outside is gathered in a place of its own, behind the last pixel.
        at = torch.where(inside, row * width + column, width * height).flatten(1)
        seen = near.new_full((len(views), width * height + 1), -1.0)
        seen.scatter_reduce_(1, at, near.flatten(1).expand(len(views), -1), "amax")
        seen = seen[:, :-1].view(-1, 1, height, width)
        # Pixels that drift apart leave cracks of one pixel: widen everything by one, then shrink.
        return -max_pool2d(-max_pool2d(seen, 3, 1, 1), 3, 1, 1)

    def _fetched(
        self, source: torch.Tensor, views: torch.Tensor, near: torch.Tensor
    ) -> torch.Tensor:
        """What the source holds where each pixel of the frame comes from, if it is that near."""
        depth = FAR + (1 - FAR) * near
        here = self._places() * (1 - views[:, 2:] * depth) / self._enlarged
        here = here + views[:, :2] * depth * self._size[0]
        grid = (here / self._size.view(1, 2, 1, 1) * 2).permute(0, 2, 3, 1)
        many = source.expand(len(views), -1, -1, -1)
        return grid_sample(many, grid, padding_mode="border", align_corners=False)

    def _places(self) -> torch.Tensor:
        """Where the middle of each pixel is, from the middle of the frame: 1 by 2 by H by W."""
        across, down = (
            torch.arange(int(side), device=self._size.device) + 0.5 - side / 2
            for side in self._size
        )
        return torch.stack(torch.meshgrid(across, down, indexing="xy"))[None]


def _reach(view: View) -> float:
    """How far two pixels beside each other may come apart, as a share of the width."""
    return max(abs(view.right), abs(view.down)) + view.forward / (1 - view.forward) / 2


def _crisp(near: torch.Tensor) -> torch.Tensor:
    """Edges without the slope that a network draws: each pixel goes to the side it is nearer."""
    high, low = max_pool2d(near, 5, 1, 2), -max_pool2d(-near, 5, 1, 2)
    side = torch.where(high - near < near - low, high, low)
    return torch.where(high - low > EDGE, side, near)


def _behind(near: torch.Tensor, uncovered_px: float) -> tuple[torch.Tensor, Any]:
    """The nearness behind what stands in front, and the mask (height by width) of where that is."""
    # Twice as far as can be uncovered: paint runs in from both borders, and what is beyond the
    # inner one belongs to the thing in front.
    reach = 2 * ceil(uncovered_px) + 1
    rows = max_pool2d(-near, (1, 2 * reach + 1), 1, (0, reach))
    behind = -max_pool2d(rows, (2 * reach + 1, 1), 1, (reach, 0))
    hidden = near - behind > EDGE
    return torch.where(hidden, behind, near), hidden[0, 0].cpu().numpy()


def _painted(picture: Picture, hidden: Any) -> Picture:
    """The picture with what is hidden painted over from its surroundings (Telea 2004)."""
    import cv2

    painted: Picture = cv2.inpaint(picture, hidden.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return painted


def _tensor(picture: Picture, device: str) -> torch.Tensor:
    return torch.from_numpy(picture).to(device).permute(2, 0, 1)[None] / 255
