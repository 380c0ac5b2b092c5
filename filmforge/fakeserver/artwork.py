"""Real files for finished jobs: a picture, a clip or a voice that follows from a digest."""

import asyncio
import hashlib
import io
import math
import struct
import subprocess
from array import array
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from filmforge.errors import MediaToolFailed
from filmforge.fakeserver.catalogue import ClipInput, ImageInput, Input, VoiceInput

CELLS = (16, 9)
SAMPLE_RATE = 16_000
SYLLABLE_S = 0.25
SECONDS_A_CHARACTER = 0.06
ENCODE_TIMEOUT_S = 300


class Artwork:
    """Makes outputs; clips of one size, rate and length share a template kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def make(self, wanted: Input, digest: str, *, black: bool = False) -> bytes:
        """The file of a job: the same bytes for the same digest. Raises MediaToolFailed.

        A clip may be `black`, as a bad one of a real model is.
        """
        if isinstance(wanted, ClipInput):
            return await self._clip(wanted, digest, black)
        if isinstance(wanted, ImageInput):
            return await asyncio.to_thread(picture, wanted, digest)
        return await asyncio.to_thread(voice, wanted, digest)

    async def _clip(self, wanted: ClipInput, digest: str, black: bool) -> bytes:
        frames = max(1, round(Fraction(wanted.duration) * wanted.fps))
        rate = str(wanted.fps).replace("/", "_")
        name = f"{'black-' if black else ''}{wanted.width}x{wanted.height}-{rate}-{frames}.mp4"
        template = self._folder / name
        async with self._locks[template]:
            if not template.exists():
                await asyncio.to_thread(_encode, template, wanted, frames, black)
        body = await asyncio.to_thread(template.read_bytes)
        mark = digest.encode()
        return body + struct.pack(">I4s", 8 + len(mark), b"free") + mark


def picture(wanted: ImageInput, digest: str) -> bytes:
    """A mosaic of coloured cells as PNG, with the digest in its text."""
    columns, rows = CELLS
    colours = hashlib.shake_256(digest.encode()).digest(columns * rows * 3)
    mosaic = Image.frombytes("RGB", CELLS, colours)
    image = mosaic.resize((wanted.width, wanted.height), Image.Resampling.NEAREST)
    note = PngInfo()
    note.add_text("Comment", digest)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, pnginfo=note)
    return file.getvalue()


def voice(wanted: VoiceInput, digest: str) -> bytes:
    """A tune as WAV, one channel of 16 bits, about as long as the text takes to say."""
    pitches = hashlib.sha256(digest.encode()).digest()[:8]
    tune = b"".join(_syllable(110 + pitch) for pitch in pitches)
    seconds = max(0.5, len(wanted.text) * SECONDS_A_CHARACTER)
    samples = int(seconds * SAMPLE_RATE)
    sound = (tune * (samples * 2 // len(tune) + 1))[: samples * 2]
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16)
    note = b"INFO" + _chunk(b"ICMT", digest.encode())
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", note) + _chunk(b"data", sound)
    return _chunk(b"RIFF", body)


def _syllable(pitch_hz: float) -> bytes:
    samples = int(SYLLABLE_S * SAMPLE_RATE)
    turn = 2 * math.pi * pitch_hz / SAMPLE_RATE
    swell = math.pi / samples
    return array(
        "h", (int(12_000 * math.sin(turn * n) * math.sin(swell * n)) for n in range(samples))
    ).tobytes()


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def _encode(template: Path, wanted: ClipInput, frames: int, black: bool) -> None:
    template.parent.mkdir(parents=True, exist_ok=True)
    part = template.with_suffix(".part")
    size = f"{wanted.width}:{wanted.height}"
    picture = "color=black:" if black else "testsrc2="
    source = f"{picture}size=320x180:rate={wanted.fps},scale={size}:flags=neighbor,setsar=1"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
        "-f", "lavfi", "-i", source, "-frames:v", str(frames), "-c:v", "libx264",
        "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-fflags", "+bitexact",
        "-flags:v", "+bitexact", "-movflags", "+faststart", "-f", "mp4", str(part),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=ENCODE_TIMEOUT_S, check=False)  # noqa: S603 - own arguments, numbers only
    if done.returncode:
        raise MediaToolFailed(f"ffmpeg: {done.stderr.decode(errors='replace').strip()[-500:]}")
    part.replace(template)
