"""Faces in a picture: where they are, and their landmarks.

YuNet (MIT, 0.2 MB, Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector") from the model
zoo of OpenCV, run by OpenCV on the processor: milliseconds a picture, no GPU.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_functions.weights import Repo

DETECTOR = Repo(
    "opencv/face_detection_yunet",
    revision="3cc26e7f1014a5ee5d74a42acee58bafc9d0a310",
    licence="MIT",
    folder="faces",
    files=("face_detection_yunet_2023mar.onnx",),
)
# The network was exported for pictures of this size; larger and smaller ones are scaled to it.
SIDE = 640
# It was trained on faces of 10 to 300 pixels (its README): where it finds none, there may be one
# that is larger, as in a portrait.
SIZES = (SIDE, SIDE // 2)
# The values of OpenCV's own sample for this network (samples/dnn/face_detect.py).
SURE = 0.9
OVERLAP = 0.3
MOST = 5000

Point = tuple[float, float]


@dataclass(frozen=True)
class Face:
    """A face in pixels of the picture; left and right are the person's own.

    `landmarks` are the right eye, the left eye, the tip of the nose, the right and the left corner
    of the mouth; `sure` is 0 to 1.
    """

    x: float
    y: float
    width: float
    height: float
    landmarks: tuple[Point, Point, Point, Point, Point]
    sure: float

    @property
    def row(self) -> list[float]:
        """The fifteen numbers by which OpenCV knows a face."""
        points = [number for point in self.landmarks for number in point]
        return [self.x, self.y, self.width, self.height, *points, self.sure]


class Faces:
    """Finds faces by the weights in a folder; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        import cv2

        model = str(folder / DETECTOR.files[0])
        self._detector = cv2.FaceDetectorYN.create(model, "", (SIDE, SIDE), SURE, OVERLAP, MOST)

    def find(self, picture: Any) -> list[Face]:
        """The faces of a picture (height by width by 3, uint8, BGR), the largest first.

        Faces narrower than about a sixtieth of the picture's longer side are too small to be found.
        """
        found: list[Face] = []
        for size in SIZES:
            found = found or self._find(picture, size / max(picture.shape[:2]))
        return sorted(found, key=lambda face: face.width * face.height, reverse=True)

    def _find(self, picture: Any, scale: float) -> list[Face]:
        """The faces of a picture that is scaled and laid on black."""
        import cv2
        import numpy as np

        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        square = np.zeros((SIDE, SIDE, 3), np.uint8)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square[:height, :width] = cv2.resize(picture, (width, height), interpolation=how)
        _, rows = self._detector.detect(square)
        return [_face(row, scale) for row in (() if rows is None else rows)]


def _face(row: Any, scale: float) -> Face:
    *numbers, sure = (float(number) for number in row)
    x, y, width, height, *points = (number / scale for number in numbers)
    right_eye, left_eye, nose, right_mouth, left_mouth = zip(points[::2], points[1::2], strict=True)
    landmarks = (right_eye, left_eye, nose, right_mouth, left_mouth)
    return Face(x, y, width, height, landmarks, sure)
