"""RIFE: frames between the frames of a clip, for a higher rate.

Made from the role `clip`; the result is an MP4 without sound (a film lays its sound itself), which
lasts exactly as long. `factor` is 2, 4 or 8 times the rate; or `fps` is the rate, of which each
frame is taken at its own time. The first and the last frame stay the first and the last. Frames
that are the same stay the same, and across a hard cut the frame before it is repeated, never
blended with the one after it. A `prompt` is taken, since every model of a film has words, and has
no influence; nor has the seed, for nothing is drawn by chance.

Weights: RIFE 4.13.2 (Huang et al. 2022), 21 MB, MIT, a mirror as safetensors. GPU: L4. A clip of
five seconds of 1280 by 720 from 24 to 48 frames a second takes about 20 seconds there, for 0.006
USD. These are estimates, not measurements.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import modal
import numpy as np

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, footage, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.footage import Footage, Frame
from gpu_functions.maker import Made, Room, TooLarge
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-interpolate")
image = deployment.image_of(
    "av==18.1.0", "numpy==2.4.6", "pillow==13.0.0", "safetensors==0.8.0", "torch==2.13.0"
)

CHECKPOINT = "rife-flownet-4.13.2.safetensors"
SOURCE = Source(
    repos=(
        Repo(
            "imaginairy/rife-interpolation",
            revision="26442e52cc30b88c5cb490702647b8de9aaee8a7",
            licence="MIT",
            files=(CHECKPOINT,),
        ),
    ),
    gib=0.02,
)

# ## What it takes
#
# The network stays in float32: half numbers cannot say where in a wide frame a pixel lies. At 1920
# by 1088 it took 1.4 GiB more than its weights on a processor, which is some 180 numbers a pixel:
# both frames and their features as they are and as the flow moves them, the flow, and the blocks.

WEIGHTS_GIB = 0.02
PIXEL_BYTES = 190 * 4
USUAL_PIXELS = 1920 * 1088
MOST_AT_ONCE = 8
PAIRS_A_CHUNK = 24
MOST_FPS = 240

# ## Cuts
#
# Two frames belong to different shots when they look less alike than this: SSIM (Wang et al. 2004)
# of grey pictures of 32 by 32. Practical-RIFE tells cuts by the same number at the same size.

CUT_BELOW = 0.2
CUT_SIDE = 32


class Wish(wishes.Wish):
    """One of `factor` and `fps`; twice the rate without either."""

    prompt: str = ""
    factor: Literal[2, 4, 8] | None = None
    fps: str | None = None

    def rate(self, fps: Fraction) -> Fraction:
        """Frames a second of the result. Raises BadInput naming the parameter."""
        if self.fps is None:
            rate = fps * (self.factor or 2)
        elif self.factor is not None:
            raise BadInput("fps", "is given, and a factor as well", "Give one of them.")
        else:
            rate = footage.rate_of(self.fps)
        if not fps <= rate <= MOST_FPS:
            given = "factor" if self.fps is None else "fps"
            remedy = f"From {fps}, the rate of the clip, to {MOST_FPS}."
            raise BadInput(given, f"makes {rate} frames a second", remedy)
        return rate


class Gap(NamedTuple):
    """Two frames that follow each other, and where between them frames are wished (0 to 1)."""

    before: Frame
    after: Frame
    shares: Sequence[float]


class Interpolate:
    """Makes clips of a higher rate."""

    name: ClassVar[str] = "interpolate"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = False

    def __init__(self, weights: Path, device: Device) -> None:
        from safetensors.torch import load_file

        from gpu_functions.networks import ifnet

        self._device = device
        self._network = ifnet.fitting(load_file(weights / CHECKPOINT)).to(device.kind)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """What frames of 1920 by 1080 take, as many at once as the factor makes of a gap.

        A work does not say how large its clip is; larger frames are made fewer at a time.
        """
        wish = wishes.read(Wish, work)
        at_once = MOST_AT_ONCE if wish.fps else (wish.factor or 2)
        return WEIGHTS_GIB + at_once * _gib(USUAL_PIXELS)

    def make(self, work: Work, room: Room) -> Made:
        """An MP4. Raises TooLarge when not even one frame fits into the budget."""
        wish = wishes.read(Wish, work)
        source = Footage(room.input("clip"), "clip")
        fps = wish.rate(source.fps)
        at_once = self._at_once(next(iter(source)), self.needs_gib(work, self._device))
        gaps = _gaps(source, fps)
        made = enumerate(footage.batches(gaps, PAIRS_A_CHUNK))
        parts = (self._part(some, number, at_once, source.total, room) for number, some in made)
        path = room.folder / "smooth.mp4"
        footage.write(parts, room, path, fps)
        return Made(
            path,
            "video/mp4",
            {"frames": _frames(source, fps), "fps": str(fps), "source_fps": str(source.fps)},
        )

    def close(self) -> None:
        """Give the memory back."""
        del self._network

    def _part(
        self, gaps: list[Gap], number: int, at_once: int, total: int, room: Room
    ) -> Iterator[Frame]:
        for index, gap in enumerate(gaps):
            yield from self._between(gap, at_once)
            room.tell((number * PAIRS_A_CHUNK + index + 1) / total)

    # ## Between two frames
    #
    # A share of 0 is the frame before itself. Between two frames that are the same, and across a
    # cut, there is nothing to find.

    def _between(self, gap: Gap, at_once: int) -> Iterator[Frame]:
        still = np.array_equal(gap.before, gap.after) or is_cut(gap.before, gap.after)
        shares = [share for share in gap.shares if share > 0]
        yield from [gap.before] * (len(gap.shares) if still else len(gap.shares) - len(shares))
        if not still:
            for some in footage.batches(shares, at_once):
                yield from self._found(gap.before, gap.after, some)

    def _found(self, before: Frame, after: Frame, shares: list[float]) -> Iterable[Frame]:
        import torch
        from torch.nn.functional import pad

        from gpu_functions.networks.ifnet import MULTIPLE

        height, width = before.shape[:2]
        right, bottom = -width % MULTIPLE, -height % MULTIPLE
        with torch.inference_mode():
            both = torch.from_numpy(np.stack((before, after))).to(self._device.kind)
            both = pad(both.permute(0, 3, 1, 2) / 255, (0, right, 0, bottom), mode="replicate")
            one, two = (side.expand(len(shares), -1, -1, -1) for side in both.split(1))
            made = self._network(one, two, torch.tensor(shares, device=self._device.kind))
            shades = (made[..., :height, :width] * 255).round().to(torch.uint8)
            found: Iterable[Frame] = shades.permute(0, 2, 3, 1).cpu().numpy()
            return found

    def _at_once(self, frame: Frame, needs_gib: float) -> int:
        """How many frames of this size are made together within what the work was let in for."""
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            raise BadInput("clip", f"is {width} x {height}", "Give a clip of even sides.")
        one = _gib(height * width)
        if WEIGHTS_GIB + one > self._device.budget_gib:
            remedy = "Give a clip of fewer pixels."
            raise TooLarge(WEIGHTS_GIB + one, self._device.budget_gib, remedy)
        return max(1, min(MOST_AT_ONCE, int((needs_gib - WEIGHTS_GIB) / one)))


def is_cut(before: Frame, after: Frame) -> bool:
    """Whether a hard cut lies between two frames."""
    import torch
    from torch.nn.functional import avg_pool2d, interpolate

    both = torch.from_numpy(np.stack((before, after))).float().mean(-1)[:, None] / 255
    x, y = interpolate(both, (CUT_SIDE, CUT_SIDE), mode="area").split(1)
    mean_x, mean_y = avg_pool2d(x, 7, 1), avg_pool2d(y, 7, 1)
    spread = avg_pool2d(x * x, 7, 1) - mean_x**2 + avg_pool2d(y * y, 7, 1) - mean_y**2
    common = avg_pool2d(x * y, 7, 1) - mean_x * mean_y
    # The constants of the paper, for values from 0 to 1.
    light = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    form = (2 * common + 0.03**2) / (spread + 0.03**2)
    return float((light * form).mean()) < CUT_BELOW


# ## Time
#
# Frame k of the result is shown k / rate seconds after the first, which is k * step frames of the
# source: it belongs to the gap behind the frame of the whole part. What comes after the last frame
# repeats it.


def _gaps(source: Footage, fps: Fraction) -> Iterator[Gap]:
    step = source.fps / fps
    made, total = 0, _frames(source, fps)
    for number, (before, after) in enumerate(_pairs(source)):
        last = number == source.total - 1
        end = total if last else min(total, ceil((number + 1) / step))
        yield Gap(before, after, [float(index * step - number) for index in range(made, end)])
        made = end


def _pairs(source: Footage) -> Iterator[tuple[Frame, Frame]]:
    """Each frame with the next one, and the last one with itself."""
    last = None
    for before, after in pairwise(source):
        last = after
        yield before, after
    last = next(iter(source)) if last is None else last
    yield last, last


def _frames(source: Footage, fps: Fraction) -> int:
    """How many frames last as long as the source; the nearest number where none fits exactly."""
    return max(1, round(source.total * fps / source.fps))


def _gib(pixels: int) -> float:
    return pixels * PIXEL_BYTES / GIB


# ## On Modal

LIMIT_S = 780


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Interpolate)


@app.cls(
    image=image,
    gpu="L4",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=LIMIT_S,
    startup_timeout=120,
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """The function on Modal; its snapshot holds the imports, the volume the weights."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes long."""
        import torch  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights."""
        self.seat = deployment.Seat(Interpolate)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
