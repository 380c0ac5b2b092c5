"""GFPGAN: the faces of a picture restored, the rest left as it is.

Made from the role `source` or `frame`; the result is a PNG of the same size. Faces are found by
YuNet (gpu_functions/faces.py), or given in `faces`, each as fourteen numbers in pixels: x, y, width
and height, and the points that YuNet finds: right eye, left eye, tip of the nose, right and left
corner of the mouth. `strength` from 0 to 1 is how much of the restored face is taken: less keeps
more of the person, and of the damage. A picture without a face comes back unchanged, with the fact
`faces` 0. Faces larger than 512 pixels do not gain detail. A `prompt` is taken, since every model
of a film has words, and has no influence; nor has the seed: the noise is that of the checkpoint.

Weights: GFPGAN 1.4 (Wang et al. 2021), 0.35 GB, published under Apache-2.0; its prior was trained
from NVIDIA's StyleGAN2, whose licence forbids commercial use: ask before selling what it makes. The
hub has no copy by its authors; this mirror holds the release file. GPU: L4. A face takes about a
fifth of a second there: less than 0.0001 USD. These are estimates, not measurements.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import modal
import numpy as np
import numpy.typing as npt
from pydantic import Field

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, faces, footage, pictures, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.pictures import Picture
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-face-restore")
image = deployment.image_of(
    "av==18.1.0",
    "numpy==2.4.6",
    "opencv-python-headless==5.0.0.93",
    "pillow==13.0.0",
    "torch==2.13.0",
)

CHECKPOINT = "GFPGANv1.4.pth"
SOURCE = Source(
    repos=(
        faces.DETECTOR,
        Repo(
            "th2w33knd/GFPGANv1.4",
            revision="b5d7f33731ba38d51cd9e3ffe4a3bba317694b6d",
            licence="Apache-2.0, trained from StyleGAN2 (NVIDIA Source Code License)",
            folder="restorer",
            files=(CHECKPOINT,),
        ),
    ),
    gib=0.35,
)

# ## What it takes
#
# 87 million parameters of 4 bytes; the network stays in float32, since modulated convolutions leave
# the range of float16. A face at 512 pixels has about ten maps of 64 channels live.

WEIGHTS_GIB = 0.35
FACE_GIB = 10 * 64 * 512**2 * 4 / GIB
MOST_AT_ONCE = 4

# ## Where a face is put
#
# The five points, for a side of 512, as the network knows faces: those of the FFHQ pictures, by
# the authors' library (github.com/xinntao/facexlib, MIT). What lies outside the picture is grey.

TEMPLATE_SIDE = 512
TEMPLATE = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
GREY = (132, 133, 135)
# The share of a face's side over which it fades into the picture, from its border inwards.
FEATHER = 0.1

Numbers = Annotated[list[float], Field(min_length=14, max_length=14)]


class Wish(wishes.Wish):
    """`faces` are found when they are not given."""

    prompt: str = ""
    strength: float = Field(0.8, ge=0, le=1)
    faces: Annotated[list[Numbers], Field(max_length=64)] | None = None


class FaceRestore:
    """Restores faces."""

    name: ClassVar[str] = "face_restore"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = False

    def __init__(self, weights: Path, device: Device) -> None:
        import torch

        from gpu_functions.networks import gfpgan

        saved = torch.load(weights / "restorer" / CHECKPOINT, map_location="cpu", weights_only=True)
        self._device = device
        self._faces = faces.Faces(weights / faces.DETECTOR.folder)
        self._network = gfpgan.fitting(saved["params_ema"]).to(device.kind)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The weights and the faces that are restored at once: those given, or the most."""
        given = wishes.read(Wish, work).faces
        at_once = MOST_AT_ONCE if given is None else min(MOST_AT_ONCE, len(given))
        return WEIGHTS_GIB + at_once * FACE_GIB

    def make(self, work: Work, room: Room) -> Made:
        """A PNG. Raises BadInput for faces that are none."""
        wish = wishes.read(Wish, work)
        role = "frame" if "frame" in room.inputs else "source"
        picture = pictures.read(room.input(role), role)
        points = self._points(wish, picture)
        restored = picture.astype(np.float32)
        done = 0
        for some in footage.batches(points, MOST_AT_ONCE):
            placed = [similarity(five, self._network.side) for five in some]
            made = self._restored([cut_out(picture, one, self._network.side) for one in placed])
            for matrix, face in zip(placed, made, strict=True):
                restored = paste(restored, face, matrix, wish.strength)
            done += len(some)
            room.tell(done / len(points))
        path = pictures.save(restored.round().astype(np.uint8), room.folder / "restored.png")
        return Made(path, "image/png", {"faces": len(points), "strength": wish.strength})

    def close(self) -> None:
        """Give the memory back."""
        del self._network

    def _points(self, wish: Wish, picture: Picture) -> list[npt.NDArray[np.float64]]:
        """The five points of each face."""
        if wish.faces is None:
            found = self._faces.find(picture[..., ::-1])
            return [np.array(face.landmarks) for face in found]
        given = [np.array(face[4:]).reshape(5, 2) for face in wish.faces]
        for five in given:
            if np.ptp(five, axis=0).min() < 1:
                raise BadInput("faces", "has points that lie together", "Give them in pixels.")
        return given

    def _restored(self, cuts: list[Picture]) -> Picture:
        import torch

        with torch.inference_mode():
            seen = torch.from_numpy(np.stack(cuts)).to(self._device.kind)
            made = self._network(seen.permute(0, 3, 1, 2) / 127.5 - 1)
            shades = ((made.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
            restored: Picture = shades.permute(0, 2, 3, 1).cpu().numpy()
            return restored


# ## Out of the picture and back
#
# Turning, one scale and a shift bring the five points nearest to the template. With points as
# complex numbers that is w = a z + b, and least squares give a from the centred points.


def similarity(points: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """The two by three matrix from the picture to a face of that side."""
    template = np.array(TEMPLATE) * side / TEMPLATE_SIDE
    z, w = (np.array(pairs) @ (1, 1j) for pairs in (points, template))
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def cut_out(picture: Picture, matrix: npt.NDArray[np.float64], side: int) -> Picture:
    """The face, upright, as large as the network wants it."""
    import cv2

    cut: Picture = cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=GREY
    )
    return cut


def paste(
    picture: npt.NDArray[np.float32],
    face: Picture,
    matrix: npt.NDArray[np.float64],
    strength: float,
) -> npt.NDArray[np.float32]:
    """The picture with a face put back to where it was cut out, fading out to its border."""
    import cv2

    side = face.shape[0]
    inwards = np.minimum(np.arange(side), np.arange(side)[::-1]) / (FEATHER * side)
    ramp = np.clip(inwards, 0, 1).astype(np.float32)
    size = picture.shape[1::-1]
    back = cv2.invertAffineTransform(matrix)
    put = cv2.warpAffine(
        face.astype(np.float32), back, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpAffine(np.minimum.outer(ramp, ramp), back, size, flags=cv2.INTER_LINEAR)
    restored: npt.NDArray[np.float32] = picture + (put - picture) * (mask * strength)[..., None]
    return restored


# ## On Modal

LIMIT_S = 120


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(FaceRestore)


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
        import cv2  # noqa: F401
        import torch  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights."""
        self.seat = deployment.Seat(FaceRestore)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
