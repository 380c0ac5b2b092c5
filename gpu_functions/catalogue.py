"""The functions by name; a function's file is imported when it is first asked for."""

from importlib import import_module

from filmforge.errors import BadInput
from gpu_functions.maker import Maker

# The class in gpu_functions/NAME.py.
MAKERS = {
    "depth": "Depth",
    "face_restore": "FaceRestore",
    "identity": "Identity",
    "image_flux": "ImageFlux",
    "image_sdxl": "ImageSdxl",
    "interpolate": "Interpolate",
    "music": "Music",
    "speech": "Speech",
    "train_lora": "TrainLora",
    "transcribe": "Transcribe",
    "upscale": "Upscale",
    "video_ltx": "VideoLtx",
    "video_wan": "VideoWan",
}
# It answers chat requests by itself and makes no works.
ENDPOINTS = ("llm",)


def maker_of(function: str) -> type[Maker]:
    """The class of a function. Raises BadInput naming those there are."""
    if function not in MAKERS:
        known = ", ".join(sorted(MAKERS))
        raise BadInput("model", f"there is no GPU function {function!r}", f"Use one of: {known}.")
    found: type[Maker] = getattr(import_module(f"gpu_functions.{function}"), MAKERS[function])
    return found
