"""Real small files for finished jobs, the same bytes for the same job."""

import asyncio
import hashlib
import io
import struct
import subprocess
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from filmforge.fakeserver.artwork import SECONDS_A_CHARACTER, Artwork
from filmforge.fakeserver.catalogue import ClipInput, ImageInput, VoiceInput
from tests.fakes.state import FakeJob

USUAL = {"image": "image/png", "video": "video/mp4", "audio": "audio/mpeg"}
PICTURES = {"image/jpeg": "JPEG", "image/webp": "WEBP"}
ENCODE_TIMEOUT_S = 60


class Media:
    """Makes outputs; clips and tunes share templates kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._artwork = Artwork(folder)
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    @staticmethod
    def usual(job: FakeJob) -> str:
        """The media type of a job whose protocol names none."""
        return USUAL[job.kind]

    async def make(self, job: FakeJob, media_type: str | None, index: int) -> bytes:
        """The file of a job. Raises ValueError for a type it can't make."""
        digest = hashlib.sha256(f"{job.id}\n{job.words}\n{index}".encode()).hexdigest()
        match media_type or self.usual(job):
            case "image/png" | "image/jpeg" | "image/webp" as kind:
                return await self._picture(job, digest, kind)
            case "video/mp4":
                return await self._artwork.make(_clip(job), digest)
            case "audio/wav":
                return await self._artwork.make(_voice(job), digest)
            case "audio/mpeg":
                return _id3(digest) + await self._tune(job.seconds)
        raise ValueError(f"media_type: can't make {media_type}")

    async def _picture(self, job: FakeJob, digest: str, media_type: str) -> bytes:
        wanted = ImageInput(prompt="-", width=job.width, height=job.height)
        png = await self._artwork.make(wanted, digest)
        if media_type == "image/png":
            return png
        return await asyncio.to_thread(_repaint, png, PICTURES[media_type])

    async def _tune(self, seconds: float) -> bytes:
        template = self._folder / f"{seconds:.3f}.mp3"
        async with self._locks[template]:
            if not template.exists():
                await asyncio.to_thread(_encode, template, seconds)
        return await asyncio.to_thread(template.read_bytes)


def _clip(job: FakeJob) -> ClipInput:
    duration = Decimal(str(job.seconds))
    return ClipInput(prompt="-", width=job.width, height=job.height, duration=duration)


def _voice(job: FakeJob) -> VoiceInput:
    return VoiceInput(text="-" * max(1, round(job.seconds / SECONDS_A_CHARACTER)))


def _repaint(png: bytes, form: str) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).save(file, form, quality=80)
    return file.getvalue()


def _id3(note: str) -> bytes:
    """An ID3v2.3 tag with a comment, which makes tunes from one template differ."""
    comment = b"\0eng\0" + note.encode()
    frame = struct.pack(">4sIH", b"COMM", len(comment), 0) + comment
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame


def _encode(template: Path, seconds: float) -> None:
    template.parent.mkdir(parents=True, exist_ok=True)
    part = template.with_suffix(".part")
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
        "-f", "lavfi", "-i", f"sine=frequency=220:sample_rate=44100:duration={seconds}",
        "-c:a", "libmp3lame", "-b:a", "64k", "-fflags", "+bitexact", "-id3v2_version", "0",
        "-f", "mp3", str(part),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=ENCODE_TIMEOUT_S)
    part.replace(template)
