"""Identity: how much a frame shows the same character as its references.

Two measures, each of what the other cannot see. Where both pictures show a face, SFace (Zhong et
al. 2021, "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", Apache-2.0)
turns the aligned faces into 128 numbers each, as ArcFace does, and the cosine between them says
whether it is the same person. DINOv2 (Oquab et al. 2023, Apache-2.0) turns whole pictures into 768
numbers, whose cosine says how alike figure, clothes and light are, also where a character shows no
face or has none that a detector knows.

The faces are found by YuNet, see gpu_functions/faces.py; both face networks run on the processor.
On an L4 a frame takes a second or less, less than 0.001 USD, and loading ten seconds: estimates,
not measurements.

Weights: opencv/face_detection_yunet (MIT), opencv/face_recognition_sface, facebook/dinov2-base
(both Apache-2.0); 0.4 GB.
"""

import json
from pathlib import Path
from typing import Any, ClassVar

import modal

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, faces, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.pictures import read
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-identity")
image = deployment.image_of(
    "torch==2.13.0",
    "transformers==5.23.0",
    "opencv-python-headless==5.0.0.93",
    "numpy==2.4.6",
    "pillow==13.0.0",
)

RECOGNIZER = Repo(
    "opencv/face_recognition_sface",
    revision="3d7082438a6e4551e840c9b2bb60b71e8da4b524",
    licence="Apache-2.0",
    folder="faces",
    files=("face_recognition_sface_2021dec.onnx",),
)
PICTURES = Repo(
    "facebook/dinov2-base",
    revision="f9e44c814b77203eaa57a6bdbbd535f21ede1415",
    licence="Apache-2.0",
    folder="pictures",
    files=("config.json", "preprocessor_config.json", "model.safetensors"),
)
SOURCE = Source(repos=(faces.DETECTOR, RECOGNIZER, PICTURES), gib=0.4)

# Above this cosine two faces of SFace are the same person: the value that OpenCV's own tutorial of
# the network (DNN-based Face Detection And Recognition) gives for the LFW faces.
SAME_PERSON = 0.363
# The share of the face in the score where both pictures show one. It is our choice: clothes and
# light may change from shot to shot, the face may not.
FACE_SHARE = 0.8
# DINOv2 base has 86.6 million parameters (its model card); what a picture of 224 by 224 takes is
# our estimate.
PARAMETERS = 86.6e6
PICTURE_GIB = 0.02


class Wish(wishes.Wish):
    """It takes no parameters: the pictures say it all."""


def face_score(cosine: float) -> float:
    """A cosine of faces as 0 to 1, in two straight lines: 0 at 0, 0.5 at the threshold, 1 at 1."""
    if cosine < SAME_PERSON:
        return max(0.0, cosine / SAME_PERSON / 2)
    return 0.5 + (min(1.0, cosine) - SAME_PERSON) / (1 - SAME_PERSON) / 2


def score(face_similarity: float | None, image_similarity: float) -> float:
    """Both measures in one, 0 to 1; without a face the pictures alone, a negative cosine as 0."""
    pictures = min(1.0, max(0.0, image_similarity))
    if face_similarity is None:
        return pictures
    return FACE_SHARE * face_score(face_similarity) + (1 - FACE_SHARE) * pictures


# A frame may show several people: each reference is held against the face that is most like it. A
# reference is a picture of one person: its largest face counts. The score of the frame is that of
# its best reference, as one profile among four references says nothing against a front view.
class Identity:
    """Measures a `frame` against `reference_1`, `reference_2` …; the output is JSON."""

    name: ClassVar[str] = "identity"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = False

    def __init__(self, weights: Path, device: Device) -> None:
        import cv2
        from transformers import AutoImageProcessor, AutoModel

        self._device = device
        folder = weights / RECOGNIZER.folder
        self._faces = faces.Faces(folder)
        self._recognizer = cv2.FaceRecognizerSF.create(str(folder / RECOGNIZER.files[0]), "")
        pictures = weights / PICTURES.folder
        self._processor = AutoImageProcessor.from_pretrained(pictures, local_files_only=True)
        self._model = AutoModel.from_pretrained(
            pictures, local_files_only=True, dtype=device.torch_dtype, attn_implementation="sdpa"
        ).to(device.kind)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The network, and every picture at once."""
        per_number = device.number_bytes
        return PARAMETERS * per_number / GIB + PICTURE_GIB * len(work.inputs)

    def make(self, work: Work, room: Room) -> Made:
        """Measure; the facts are the score and what it was judged by."""
        wishes.read(Wish, work)
        room.input("frame")
        roles = sorted(role for role in room.inputs if role.startswith("reference_"))
        if not roles:
            raise BadInput("reference_1", "is missing", "Give at least one reference.")
        shown = ["frame", *roles]
        pictures = {role: read(room.inputs[role], role)[:, :, ::-1].copy() for role in shown}
        room.tell(0.1)
        found = {role: self._faces.find(picture) for role, picture in pictures.items()}
        room.tell(0.5)
        told = self._compare(pictures, found, roles)
        path = room.folder / "identity.json"
        path.write_text(json.dumps(told, indent=2), "utf-8")
        facts = {"score": told["score"], "judged_by": told["judged_by"]}
        return Made(path, "application/json", facts)

    def close(self) -> None:
        """Give the memory back."""
        del self._model, self._recognizer, self._faces
        self._device.forget()

    def _compare(
        self, pictures: dict[str, Any], found: dict[str, list[faces.Face]], roles: list[str]
    ) -> dict[str, Any]:
        frame = [self._face(pictures["frame"], face) for face in found["frame"]]
        alike = self._image_similarities(list(pictures.values()))
        measured: list[dict[str, Any]] = []
        for role, image_similarity in zip(roles, alike, strict=True):
            reference = [self._face(pictures[role], face) for face in found[role][:1]]
            cosines = [float(seen @ known) for seen in frame for known in reference]
            face_similarity = max(cosines) if cosines else None
            measured.append(
                {
                    "role": role,
                    "face_similarity": face_similarity,
                    "image_similarity": image_similarity,
                    "score": score(face_similarity, image_similarity),
                    "judged_by": "face and image" if cosines else "image",
                    "faces": [_box(face) for face in found[role]],
                }
            )
        best = max(measured, key=lambda one: one["score"])
        return {
            "score": best["score"],
            "judged_by": best["judged_by"],
            "same_person": _same(measured),
            "same_person_above": SAME_PERSON,
            "faces": [_box(face) for face in found["frame"]],
            "references": measured,
        }

    def _face(self, picture: Any, face: faces.Face) -> Any:
        """128 numbers of unit length."""
        import numpy as np

        aligned = self._recognizer.alignCrop(picture, np.array([face.row], np.float32))
        numbers = self._recognizer.feature(aligned)[0]
        return numbers / np.linalg.norm(numbers)

    def _image_similarities(self, pictures: list[Any]) -> list[float]:
        """The cosines of the first picture with each of the others; all in one batch."""
        import torch

        colours = [picture[:, :, ::-1].copy() for picture in pictures]
        inputs = self._processor(images=colours, return_tensors="pt")
        with torch.inference_mode():
            numbers = self._model(
                inputs["pixel_values"].to(self._device.kind, self._device.torch_dtype)
            ).pooler_output
        unit = torch.nn.functional.normalize(numbers.float(), dim=-1)
        return [float(cosine) for cosine in unit[1:] @ unit[0]]


def _same(measured: list[dict[str, Any]]) -> bool | None:
    """Whether any reference is the same person; None where no two faces could be compared."""
    cosines = [one["face_similarity"] for one in measured if one["face_similarity"] is not None]
    return max(cosines) >= SAME_PERSON if cosines else None


def _box(face: faces.Face) -> dict[str, float]:
    return {
        "x": face.x,
        "y": face.y,
        "width": face.width,
        "height": face.height,
        "sure": face.sure,
    }


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Identity)


@app.cls(
    image=image,
    gpu="L4",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=120,
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
        import transformers  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights."""
        self.seat = deployment.Seat(Identity)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
