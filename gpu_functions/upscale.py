"""Real-ESRGAN: a picture or a clip twice or four times as large, with detail that looks right.

Made from the role `source` or `frame` (a picture; the result is a PNG) or `clip` (the result is an
MP4 without sound; a film lays its sound itself). `scale` is 2 or 4; the network always enlarges
four times, and for 2 each two by two pixels become one. With `width` and `height` the result is
brought to that size: scaled to cover it, cropped in the middle. `tile` bounds the memory. A
`prompt` is taken, since every model of a film has words, and has no influence: nor has the seed,
for nothing is drawn by chance.

Weights: RealESRGAN_x4plus (Wang et al. 2021), 67 MB, BSD-3-Clause, a mirror of the release file.
GPU: L40S. From its arithmetic, 36 million operations a pixel of the source, a picture of 1280 by
720 takes half a second there and a clip of five seconds about a minute: 0.0003 and 0.03 USD. These
are estimates, not measurements.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import modal
import numpy as np
from pydantic import Field

from filmforge.domain import Work
from gpu_functions import deployment, footage, pictures, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.pictures import Picture
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-upscale")
image = deployment.image_of("av==18.1.0", "numpy==2.4.6", "pillow==13.0.0", "torch==2.13.0")

# ## The weights
#
# The authors publish them as a release file, which is a pickle: it is read with `weights_only`,
# which runs nothing. This mirror holds that file and nothing else.

CHECKPOINT = "RealESRGAN_x4plus.pth"
SOURCE = Source(
    repos=(
        Repo(
            "schwgHao/RealESRGAN_x4plus",
            revision="9496699817027689b7fca10703bd92016c3aad69",
            licence="BSD-3-Clause",
            files=(CHECKPOINT,),
        ),
    ),
    gib=0.07,
)

# ## Tiles
#
# A picture is enlarged in tiles of one size that overlap, so that the memory does not grow with
# the picture. Where two meet, each gives up half of the overlap: what a pixel becomes depends on
# its surroundings, and at a tile's edge those are missing.

OVERLAP = 32
MOST_TILES_AT_ONCE = 4
FRAMES_A_CHUNK = 24
WEIGHTS_GIB = 0.07


class Span(NamedTuple):
    """Along one side, where a tile starts, and from where to where its pixels are used."""

    start: int
    begin: int
    end: int


def spans(side: int, tile: int) -> list[Span]:
    """Tiles that cover a side with at least the overlap between neighbours."""
    if side <= tile:
        return [Span(0, 0, side)]
    count = -(-(side - OVERLAP) // (tile - OVERLAP))
    starts = [number * (side - tile) // (count - 1) for number in range(count)]
    seams = [(left + tile + right) // 2 for left, right in pairwise(starts)]
    return [Span(*span) for span in zip(starts, [0, *seams], [*seams, side], strict=True)]


class Wish(wishes.Wish):
    """`tile` is in pixels of the source, without effect on small pictures."""

    prompt: str = ""
    scale: Literal[2, 4] = 4
    width: int | None = Field(None, ge=16, le=8192)
    height: int | None = Field(None, ge=16, le=8192)
    tile: int = Field(512, ge=64, le=1024)


class Upscale:
    """Enlarges pictures and clips."""

    name: ClassVar[str] = "upscale"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = False

    def __init__(self, weights: Path, device: Device) -> None:
        import torch

        from gpu_functions.networks import rrdb

        saved = torch.load(weights / CHECKPOINT, map_location="cpu", weights_only=True)
        self._device = device
        # bfloat16 tells 256 shades apart at best, which bands a sky; float16 has eight times more.
        self._dtype = torch.float16 if device.kind == "cuda" else torch.float32
        network = rrdb.fitting(saved["params_ema"]).to(device.kind, self._dtype)
        self._network = network.to(memory_format=torch.channels_last)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The weights and as many tiles at once as fit, at least one."""
        tile = wishes.read(Wish, work).tile
        return WEIGHTS_GIB + _at_once(tile, device) * _tile_gib(tile, device)

    def make(self, work: Work, room: Room) -> Made:
        """A PNG, or an MP4 of as many frames as the clip has."""
        wish = wishes.read(Wish, work)
        if "clip" in room.inputs:
            return self._clip(wish, room)
        role = "frame" if "frame" in room.inputs else "source"
        picture = pictures.read(room.input(role), role)
        width, height = _size(picture, wish)
        (large,) = self._enlarged([picture], wish, room.tell)
        path = pictures.save(pictures.fitted(large, width, height), room.folder / "large.png")
        return Made(path, "image/png", {"scale": wish.scale, "width": width, "height": height})

    def close(self) -> None:
        """Give the memory back."""
        del self._network

    # ## A clip
    #
    # Frames are enlarged by themselves. Each chunk is encoded and kept as soon as it is whole.

    def _clip(self, wish: Wish, room: Room) -> Made:
        source = footage.Footage(room.input("clip"), "clip")
        path = room.folder / "large.mp4"
        some = enumerate(footage.batches(source, FRAMES_A_CHUNK))
        parts = (self._part(frames, number, source.total, wish, room) for number, frames in some)
        footage.write(parts, room, path, source.fps)
        return Made(
            path,
            "video/mp4",
            {"scale": wish.scale, "frames": source.total, "fps": str(source.fps)},
        )

    def _part(
        self, frames: list[Picture], number: int, total: int, wish: Wish, room: Room
    ) -> Iterator[Picture]:
        width, height = _size(frames[0], wish, even=True)

        def tell(share: float) -> None:
            room.tell((number * FRAMES_A_CHUNK + share * len(frames)) / total)

        for large in self._enlarged(frames, wish, tell):
            yield pictures.fitted(large, width, height)

    # ## The network
    #
    # Tiles of small frames are put together into batches across frames, those of a large frame
    # among themselves.

    def _enlarged(
        self, frames: Sequence[Picture], wish: Wish, tell: Callable[[float], None]
    ) -> Iterator[Picture]:
        rows, columns = (spans(side, wish.tile) for side in frames[0].shape[:2])
        tiles = [(row, column) for row in rows for column in columns]
        at_once = _at_once(wish.tile, self._device)
        together = max(1, at_once // len(tiles))
        steps = -(-len(frames) // together) * -(-together * len(tiles) // at_once)
        done = 0
        for some in footage.batches(frames, together):
            large = [_blank(frame, wish.scale) for frame in some]
            windows = [(number, *tile) for number in range(len(some)) for tile in tiles]
            for batch in footage.batches(windows, at_once):
                pieces = [_cut(some[n], row, column, wish.tile) for n, row, column in batch]
                for (n, row, column), piece in zip(
                    batch, self._pieces(pieces, wish.scale), strict=True
                ):
                    _lay(large[n], piece, row, column, wish.scale)
                done += 1
                tell(done / steps)
            yield from large

    def _pieces(self, pieces: list[Picture], scale: int) -> Picture:
        import torch
        from torch.nn.functional import avg_pool2d

        with torch.inference_mode():
            seen = torch.from_numpy(np.stack(pieces)).to(self._device.kind)
            seen = seen.permute(0, 3, 1, 2).to(self._dtype) / 255
            large = self._network(seen.contiguous(memory_format=torch.channels_last)).float()
            if scale == 2:
                large = avg_pool2d(large, 2)
            shades = (large.clamp(0, 1) * 255).round().to(torch.uint8)
            found: Picture = shades.permute(0, 2, 3, 1).cpu().numpy()
            return found


def _at_once(tile: int, device: Device) -> int:
    """How many tiles are enlarged together: the most that fit into the budget."""
    if device.kind != "cuda":
        return 1
    fit = int((device.budget_gib - WEIGHTS_GIB) / _tile_gib(tile, device))
    return max(1, min(MOST_TILES_AT_ONCE, fit))


def _tile_gib(tile: int, device: Device) -> float:
    """What a tile takes: four maps of 64 channels at the size of the result.

    In float32, a tile of 256 took 0.87 GiB on a processor, which is three and a half.
    """
    number_bytes = 2 if device.kind == "cuda" else 4
    return tile**2 * 4**2 * 64 * 4 * number_bytes / GIB


def _size(picture: Picture, wish: Wish, *, even: bool = False) -> tuple[int, int]:
    height, width = picture.shape[:2]
    natural = width * wish.scale, height * wish.scale
    pictures.refuse_large(*natural, "scale")
    size = pictures.size_for(natural, wish.width, wish.height, even=even)
    pictures.refuse_large(*size, "width")
    return size


def _blank(picture: Picture, scale: int) -> Picture:
    height, width = picture.shape[:2]
    return np.empty((height * scale, width * scale, 3), np.uint8)


def _cut(picture: Picture, row: Span, column: Span, tile: int) -> Picture:
    return picture[row.start : row.start + tile, column.start : column.start + tile]


def _lay(large: Picture, piece: Picture, row: Span, column: Span, scale: int) -> None:
    """Put the part of a piece that is used into its place."""
    (top, bottom), (left, right) = (
        (span.begin * scale, span.end * scale) for span in (row, column)
    )
    y, x = row.start * scale, column.start * scale
    large[top:bottom, left:right] = piece[top - y : bottom - y, left - x : right - x]


# ## On Modal

LIMIT_S = 780


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Upscale)


@app.cls(
    image=image,
    gpu="L40S",
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
        self.seat = deployment.Seat(Upscale)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
