"""Control pictures: what a picture says about pose, depth, edges, surfaces and things.

A ControlNet follows a drawing. Each kind of drawing is made here from an ordinary picture, by its
own small network (edges need none), which is loaded when it is first asked for and is on the GPU
only while it draws.
"""

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.device import Device
from gpu_functions.weights import Repo

Kind = Literal["pose", "depth", "canny", "segmentation", "normal"]
# What the largest network takes while it draws (the segmenter: 0.32 billion parameters of 4 bytes).
DRAWING_GIB = 1.6

# The networks, as they lie beside the base model.
REPOS = (
    Repo(
        id="depth-anything/Depth-Anything-V2-Small-hf",
        revision="5426e4f0f36572d16453bbda7a8389317b1bef99",
        licence="Apache-2.0",
        folder="depth",
        files=("*.json", "model.safetensors"),
    ),
    Repo(
        id="tue-mps/ade20k_panoptic_eomt_large_640",
        revision="4d0ace83675d88497d6c4a10e17a0f46047685a5",
        licence="MIT",
        folder="segmentation",
        files=("*.json", "model.safetensors"),
    ),
    Repo(
        id="PekingU/rtdetr_r50vd_coco_o365",
        revision="457857cec8ac28ddede40ecee9eed2beca321af8",
        licence="Apache-2.0",
        folder="people",
        files=("*.json", "model.safetensors"),
    ),
    Repo(
        id="usyd-community/vitpose-base-simple",
        revision="a93ac0c67e0b7e2c55287d21d4c460c8f3c54d45",
        licence="Apache-2.0",
        folder="pose",
        files=("*.json", "model.safetensors"),
    ),
)

# The usual pair for 8-bit pictures: gradients above the second are edges, those between the two
# only where they continue one.
CANNY_THRESHOLDS = (100, 200)
PERSON_SCORE = 0.3
JOINT_SCORE = 0.3

# COCO's joints in the order of OpenPose's eighteen; the neck, which COCO has not, lies between
# the shoulders.
NECK = 1
SHOULDERS = (2, 5)
COCO_OF_OPENPOSE = (0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
BONES = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
# OpenPose paints joint and bone n in the n-th of eighteen hues; bones darker by this.
BONE_SHADE = 0.6

# The colours in which ADE20K's 150 classes are painted (MIT Scene Parsing Benchmark).
ADE20K_COLOURS = bytes.fromhex(
    "787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d "
    "787846 08ff33 ff0652 8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 "
    "0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06 "
    "ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff 8c8c8c fa0a0f 14ff00 1fff00 "
    "ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff 0bc8c8 ff5200 00fff5 003dff 00ff70 "
    "00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00 0052ff 00ff29 00ffad 0a00ff adff00 00ff99 "
    "ff5c00 ff00ff ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52 "
    "000aff 0070ff 3300ff 00c2ff 007aff 00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 "
    "08b8aa 8500ff 00ff5c b800ff ff001f 00b8ff 00d6ff ff0070 5cff00 00e0ff 70e0ff 46b8a0 a300ff "
    "9900ff 47ff00 ff00a3 ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500 0abed4 d6ff00 "
    "00ccff 1400ff ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 "
    "005cff b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff "
)


class Preprocessors:
    """Draws control pictures; its networks lie in a function's weights folder."""

    def __init__(self, weights: Path, device: Device) -> None:
        self._weights = weights
        self._device = device
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def draw(self, kind: Kind, picture: Image.Image) -> Image.Image:
        """The control picture of that kind, of the same size. Raises BadInput naming the kind."""
        import torch

        draw = {
            "pose": self._pose,
            "depth": self._depth,
            "canny": _canny,
            "segmentation": self._segmentation,
            "normal": self._normal,
        }[kind]
        with torch.no_grad():
            return draw(picture.convert("RGB"))

    def _depth(self, picture: Image.Image) -> Image.Image:
        near = (self._nearness(picture) * 255).round().astype("uint8")
        return Image.fromarray(near).convert("RGB")

    def _normal(self, picture: Image.Image) -> Image.Image:
        return Image.fromarray(normals(self._nearness(picture)))

    def _nearness(self, picture: Image.Image) -> Any:
        """How near each pixel is, 0 to 1 within the picture, as float32."""
        from transformers import AutoModelForDepthEstimation

        processor, model = self._network("depth", AutoModelForDepthEstimation)
        seen = model(**processor(picture, return_tensors="pt").to(self._device.kind))
        self._put_away(model)
        sizes = [(picture.height, picture.width)]
        found = processor.post_process_depth_estimation(seen, target_sizes=sizes)
        disparity = found[0]["predicted_depth"].float().cpu().numpy()
        spread = max(float(disparity.max() - disparity.min()), 1e-6)
        return (disparity - disparity.min()) / spread

    def _segmentation(self, picture: Image.Image) -> Image.Image:
        """Every pixel in the colour of its ADE20K class.

        A pixel's class is the one with the largest sum over all queries of its probability in
        the query times that of the query's mask there (Cheng et al. 2021, "Per-Pixel
        Classification is Not All You Need", section 3.4).
        """
        import numpy as np
        import torch
        from transformers import EomtForUniversalSegmentation

        processor, model = self._network("segmentation", EomtForUniversalSegmentation)
        side = max(picture.size)
        square = Image.new("RGB", (side, side))
        square.paste(picture)
        shown = processor(square, return_tensors="pt", do_split_image=False, do_pad=True)
        pixels = shown["pixel_values"].to(self._device.kind)
        seen = model(pixel_values=pixels)
        self._put_away(model)
        classes = seen.class_queries_logits.softmax(-1)[..., :-1]
        masks = seen.masks_queries_logits.sigmoid()
        scores = torch.einsum("bqc,bqhw->bchw", classes, masks)
        size = (picture.height, picture.width)
        rows, columns = (max(1, round(length / side * scores.shape[-1])) for length in size)
        scores = torch.nn.functional.interpolate(
            scores[..., :rows, :columns], size=size, mode="bilinear"
        )
        colours = np.frombuffer(ADE20K_COLOURS, np.uint8).reshape(-1, 3)
        return Image.fromarray(colours[scores[0].argmax(0).cpu().numpy()])

    def _pose(self, picture: Image.Image) -> Image.Image:
        import numpy as np
        from transformers import VitPoseForPoseEstimation

        boxes = self._people(picture)
        processor, model = self._network("pose", VitPoseForPoseEstimation)
        shown = processor(picture, boxes=[boxes], return_tensors="pt").to(self._device.kind)
        seen = model(**shown)
        self._put_away(model)
        people = processor.post_process_pose_estimation(seen, boxes=[boxes])[0]
        canvas = np.zeros((picture.height, picture.width, 3), np.uint8)
        for person in people:
            paint(canvas, person["keypoints"].numpy(), person["scores"].numpy())
        return Image.fromarray(canvas)

    def _people(self, picture: Image.Image) -> Any:
        """Boxes of all people, (left, top, width, height) in pixels. Raises BadInput."""
        from transformers import AutoModelForObjectDetection

        processor, model = self._network("people", AutoModelForObjectDetection)
        seen = model(**processor(picture, return_tensors="pt").to(self._device.kind))
        self._put_away(model)
        found = processor.post_process_object_detection(
            seen, threshold=PERSON_SCORE, target_sizes=[(picture.height, picture.width)]
        )[0]
        person = next(n for n, name in model.config.id2label.items() if name == "person")
        boxes = found["boxes"][found["labels"] == person].float().cpu().numpy()
        if not len(boxes):
            raise BadInput("pose", "shows nobody", "Give a picture with a person, or a skeleton.")
        boxes[:, 2:] -= boxes[:, :2]
        return boxes

    def _network(self, folder: str, kind: Any) -> tuple[Any, Any]:
        """A network and its processor, on the device."""
        from transformers import AutoImageProcessor

        if folder not in self._loaded:
            path = self._weights / folder
            # Pillow resizes the same wherever it runs.
            processor = AutoImageProcessor.from_pretrained(
                path, backend="pil", local_files_only=True
            )
            self._loaded[folder] = processor, kind.from_pretrained(path, local_files_only=True)
        processor, model = self._loaded[folder]
        return processor, model.to(self._device.kind).eval()

    def _put_away(self, model: Any) -> None:
        """Its place on the GPU is wanted for the picture."""
        model.to("cpu")


def normals(nearness: Any) -> Any:
    """Surface normals of a relief d(x, y) in 0 to 1, as RGB: (-∂d/∂x, -∂d/∂y, 1) / |…|.

    x points right, y up, z to the viewer; each is painted as 127.5 (n + 1). The scale of a
    relative depth is unknown: the scene is taken to be as deep as the shorter side is long.
    """
    import cv2
    import numpy as np

    # A pixel's own noise is no surface.
    relief = cv2.GaussianBlur(nearness, (0, 0), 1.5) * min(nearness.shape)
    down, right = np.gradient(relief)
    vectors = np.stack([-right, down, np.ones_like(relief)], axis=2)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return (127.5 * (vectors + 1)).round().astype(np.uint8)


def _canny(picture: Image.Image) -> Image.Image:
    import cv2
    import numpy as np

    edges = cv2.Canny(np.asarray(picture.convert("L")), *CANNY_THRESHOLDS)
    return Image.fromarray(edges).convert("RGB")


def paint(canvas: Any, joints: Any, scores: Any) -> None:
    """Draw one person into RGB pixels, given COCO's seventeen joints (x, y), as OpenPose does."""
    import cv2

    places = joints[list(COCO_OF_OPENPOSE)]
    seen = scores[list(COCO_OF_OPENPOSE)] > JOINT_SCORE
    places[NECK] = places[list(SHOULDERS)].mean(0)
    seen[NECK] = seen[list(SHOULDERS)].all()
    # The union ControlNet was trained on sticks this thick: 12 pixels at 1024.
    thick = max(1, round(max(canvas.shape) / 85))
    for hue, (start, end) in enumerate(BONES):
        if seen[start] and seen[end]:
            _bone(canvas, places[start], places[end], thick, _colour(hue, BONE_SHADE))
    for hue, (x, y) in enumerate(places.round().astype(int).tolist()):
        if seen[hue]:
            cv2.circle(canvas, (x, y), thick, _colour(hue), thickness=-1)


def _bone(canvas: Any, start: Any, end: Any, thick: int, colour: Sequence[float]) -> None:
    import cv2
    import numpy as np

    middle = ((start + end) / 2).round().astype(int).tolist()
    across, down = (end - start).tolist()
    half = max(1, round(float(np.hypot(across, down)) / 2))
    angle = round(float(np.degrees(np.arctan2(down, across))))
    outline = cv2.ellipse2Poly(tuple(middle), (half, thick), angle, 0, 360, 1)
    cv2.fillConvexPoly(canvas, outline, colour)


def _colour(hue: int, shade: float = 1.0) -> tuple[int, ...]:
    return tuple(round(255 * shade * part) for part in colorsys.hsv_to_rgb(hue / 18, 1.0, 1.0))
