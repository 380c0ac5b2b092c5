"""What functions have in common on Modal: image, weights volume, bucket, and one served call."""

import os
import time
from pathlib import Path, PurePosixPath
from typing import Any

import modal

from filmforge.domain import Work
from gpu_functions.desk import Desk
from gpu_functions.device import Device
from gpu_functions.maker import Maker
from gpu_functions.serving import serve
from gpu_functions.weights import Source, download, find

PYTHON = "3.11"
UV = "0.9.5"
# What our own modules import; the same versions as in requirements.txt.
SHARED = (
    "boto3==1.44.5",
    "httpx==0.28.1",
    "pydantic==2.14.3",
    "psutil==7.2.2",
    "structlog==26.1.0",
)
HUB = "huggingface-hub==2.4.0"
WEIGHTS = Path("/weights")
# FILMFORGE_S3_BUCKET and boto3's own variables; docs/gpu.md says how to make it.
BUCKET_SECRET = "filmforge-s3"  # noqa: S105 - its name
WEIGHTS_VOLUME = "filmforge-weights"
DOWNLOAD_TIMEOUT_S = 3600
# A container that has nothing to do costs money all the same; one more work soon after is warm.
SCALEDOWN_S = 60


def image_of(*packages: str, apt: tuple[str, ...] = ()) -> modal.Image:
    """Debian and Python, pinned, with these packages ("name==version") and our own sources."""
    base = modal.Image.debian_slim(python_version=PYTHON)
    if apt:
        base = base.apt_install(*apt)
    return (
        base.uv_pip_install(*SHARED, HUB, *packages, uv_version=UV)
        .env({"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"})
        .add_local_python_source("filmforge", "gpu_functions")
    )


def volumes() -> dict[str | PurePosixPath, modal.Volume | modal.CloudBucketMount]:
    """The volume that holds all weights, and where it is mounted."""
    return {str(WEIGHTS): modal.Volume.from_name(WEIGHTS_VOLUME, create_if_missing=True)}


def bucket() -> list[modal.Secret]:
    """The keys of the bucket that outputs are written to."""
    return [modal.Secret.from_name(BUCKET_SECRET)]


def fetch_weights(maker: type[Maker]) -> str:
    """Fill the volume with what a maker loads; for a function's own `download`."""
    return fetch(maker.source, maker.name)


def fetch(source: Source, function: str) -> str:
    """Fill the volume with a function's weights."""
    os.environ.pop("HF_HUB_OFFLINE", None)
    folder = download(source, WEIGHTS, function)
    modal.Volume.from_name(WEIGHTS_VOLUME).commit()
    return str(folder)


class Seat:
    """A maker in its container: loaded once; its loading is billed with the first work."""

    def __init__(self, maker: type[Maker]) -> None:
        started = time.monotonic()
        self._device = Device.here()
        self._maker = maker(find(WEIGHTS, maker.name), self._device)
        self._desk = Desk.opened(
            os.environ.get("FILMFORGE_S3_BUCKET", ""), os.environ.get("AWS_ENDPOINT_URL_S3", "")
        )
        self._load_s = time.monotonic() - started

    def serve(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work; the receipt as JSON."""
        load_s, self._load_s = self._load_s, 0.0
        receipt = serve(
            Work.model_validate(work),
            self._maker.make,
            self._desk,
            modal.current_function_call_id() or "",
            tell=_told,
            gpu=self._device.name,
            load_s=load_s,
        )
        return receipt.model_dump(mode="json")


def _told(_share: float) -> None:
    """Modal stops a call that is cancelled by itself."""
