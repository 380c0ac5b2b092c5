"""Depth Anything V2: a still becomes a clip in which the camera really moves, by parallax.

Made from the role `frame` or `source`. The network says how near each pixel is; what is near then
moves more than what is far, as gpu_functions/parallax.py tells. `camera` is push_in, pull_out,
pan_left, pan_right, tilt_up, tilt_down or orbit (which ends where it began), `amount` how far it
goes. `duration` is in seconds, `fps` a rate; the MP4 has exactly that many frames, without sound.
With `output` "map" the result is the nearness itself, as a PNG of 16 bits, of the picture's size:
65535 is nearest. A `prompt` is taken, since every model of a film has words, and has no influence;
nor has the seed, for nothing is drawn by chance.

Weights: Depth Anything V2 Small (Yang et al. 2024), 0.1 GB, Apache-2.0 (its larger sisters are not
free for commercial use). GPU: L4. Five seconds at 1280 by 720 take about five there, for 0.002 USD.
These are estimates, not measurements.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import modal
import numpy as np
from PIL import Image
from pydantic import Field

from filmforge.domain import Work
from gpu_functions import deployment, footage, pictures, wishes
from gpu_functions.clip import write_clip
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.pictures import Picture
from gpu_functions.weights import Repo, Source

if TYPE_CHECKING:  # it takes torch with it
    from gpu_functions.parallax import Scene, View

app = modal.App("filmforge-depth")
image = deployment.image_of(
    "av==18.1.0",
    "numpy==2.4.6",
    "opencv-python-headless==5.0.0.93",
    "pillow==13.0.0",
    "torch==2.13.0",
    "transformers==5.23.0",
)

SOURCE = Source(
    repos=(
        Repo(
            "depth-anything/Depth-Anything-V2-Small-hf",
            revision="5426e4f0f36572d16453bbda7a8389317b1bef99",
            licence="Apache-2.0",
            folder="depth",
            files=("config.json", "preprocessor_config.json", "model.safetensors"),
        ),
    ),
    gib=0.1,
)

# ## What it takes
#
# 25 million parameters of 4 bytes. The network looks at every picture at about 518 pixels a side,
# for which it took 0.34 GiB on a processor. Frames are made so many at a time.

WEIGHTS_GIB = 0.1
LOOK_GIB = 0.5
FRAMES_AT_ONCE = 8
MOST_FRAMES = 1800
USUAL_SIZE = (1920, 1080)
# Numbers of 4 bytes a pixel of a frame: colours and nearness of both pictures, where it lies here
# and there, and what is in between.
PIXEL_NUMBERS = 40


class Wish(wishes.Wish):
    """`amount` is a share of the width sideways, and of the way to the nearest thing forward."""

    prompt: str = ""
    output: Literal["clip", "map"] = "clip"
    width: int | None = Field(None, ge=64, le=4096)
    height: int | None = Field(None, ge=64, le=4096)
    duration: str = "4"
    fps: str = "24"
    camera: Literal[
        "push_in", "pull_out", "pan_left", "pan_right", "tilt_up", "tilt_down", "orbit"
    ] = "push_in"
    amount: float = Field(0.08, ge=0.01, le=0.3)


class Depth:
    """Measures depth, and moves a camera through it."""

    name: ClassVar[str] = "depth"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = False

    def __init__(self, weights: Path, device: Device) -> None:
        from transformers import DepthAnythingForDepthEstimation, DPTImageProcessorPil

        folder = weights / "depth"
        self._device = device
        self._look = DPTImageProcessorPil.from_pretrained(folder, local_files_only=True)
        model = DepthAnythingForDepthEstimation.from_pretrained(folder, local_files_only=True)
        self._model = model.to(device.kind).eval()

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The weights, and the larger of looking at the picture and of making frames."""
        wish = wishes.read(Wish, work)
        wide, high = wish.width or USUAL_SIZE[0], wish.height or USUAL_SIZE[1]
        frames_gib = FRAMES_AT_ONCE * wide * high * PIXEL_NUMBERS * 4 / GIB
        return WEIGHTS_GIB + (LOOK_GIB if wish.output == "map" else max(LOOK_GIB, frames_gib))

    def make(self, work: Work, room: Room) -> Made:
        """An MP4, or the map as a PNG. Raises BadInput."""
        wish = wishes.read(Wish, work)
        role = "source" if "source" in room.inputs else "frame"
        picture = pictures.read(room.input(role), role)
        even = wish.output == "clip"
        size = pictures.size_for(picture.shape[1::-1], wish.width, wish.height, even=even)
        picture = pictures.fitted(picture, *size)
        return self._clip(picture, wish, room) if even else self._map(picture, room)

    def close(self) -> None:
        """Give the memory back."""
        del self._model

    # ## Depth
    #
    # The network says how near a pixel is up to an unknown scale and shift, so the farthest of a
    # picture is taken as 0 and the nearest as 1.

    def _nearness(self, picture: Picture) -> Any:
        """Height by width, 0 to 1, on the device; 0 everywhere in a picture without depth."""
        import torch
        from torch.nn.functional import interpolate

        with torch.inference_mode():
            seen = self._look(images=Image.fromarray(picture), return_tensors="pt")
            found = self._model(seen["pixel_values"].to(self._device.kind)).predicted_depth
            size = picture.shape[:2]
            near = interpolate(found[:, None].float(), size, mode="bilinear")[0, 0]
            near = near - near.min()
            return near / near.max().clamp(min=torch.finfo(near.dtype).tiny)

    def _map(self, picture: Picture, room: Room) -> Made:
        near = self._nearness(picture)
        path = room.folder / "depth.png"
        shades = (near * 65535).round().cpu().numpy().astype(np.uint16)
        Image.fromarray(shades).save(path)
        room.tell(1.0)
        height, width = picture.shape[:2]
        return Made(path, "image/png", {"width": width, "height": height, "bits": 16})

    # ## Parallax

    def _clip(self, picture: Picture, wish: Wish, room: Room) -> Made:
        from gpu_functions import parallax

        fps = footage.rate_of(wish.fps)
        total = wishes.frames_of(wish.duration, wish.fps, MOST_FRAMES)
        views = parallax.path(wish.camera, wish.amount, total)
        scene = parallax.Scene(picture, self._nearness(picture), views, self._device.kind)
        path = room.folder / "parallax.mp4"
        write_clip(self._frames(scene, views, room), path, fps)
        height, width = picture.shape[:2]
        facts = {"frames": total, "camera": wish.camera, "width": width, "height": height}
        return Made(path, "video/mp4", {**facts, "fps": str(fps)})

    def _frames(self, scene: "Scene", views: "list[View]", room: Room) -> Iterator[Picture]:
        done = 0
        for some in footage.batches(views, FRAMES_AT_ONCE):
            yield from scene.seen(some)
            done += len(some)
            room.tell(done / len(views))


# ## On Modal

LIMIT_S = 180


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Depth)


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
        import transformers  # noqa: F401

        from gpu_functions import parallax  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights."""
        self.seat = deployment.Seat(Depth)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
