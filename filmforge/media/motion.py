"""Camera moves over a still frame: eased, below a pixel, encoded as H.264."""

import math
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from filmforge.errors import BadMedia, MediaToolFailed
from filmforge.media.ffmpeg import QUIET, ffmpeg_path

MAX_PIXELS = 64_000_000
PATIENCE_S = 600.0

View = tuple[float, float, float]  # middle x, middle y (0 to 1), zoom (1 is the whole frame)
Move = Callable[[float], View]
Planes = tuple[Image.Image, Image.Image, Image.Image]

WORDS = (
    ("static", r"static|locked|still|tripod|fixed|no movement"),
    ("handheld", r"hand.?held|shak|docu"),
    ("orbit", r"orbit|\barc\b|circl|around|rotat"),
    ("pull", r"(zoom|dolly|track|move|camera|pull\w*|push\w*)[ -]*(out|back|away)|\bpull|reveal"),
    ("push", r"(zoom|dolly|track|move)[ -]*(in|forward)|push|creep|dolly|zoom"),
    ("left", r"left"),
    ("right", r"right|\bpan|truck|tracking|slide|follow"),
    ("down", r"down|descend|lower"),
    ("up", r"\bup|tilt|crane|ris(e|ing)|pedestal|jib|ascend"),
)
HABITS = (
    (r"extreme.close|insert|detail|macro", ("push", "static", "push")),
    (r"close", ("push", "push", "orbit")),
    (r"establish|extreme.wide|aerial|panoram", ("left", "right", "pull")),
    (r"wide|long|full|master", ("push", "pull", "left", "right")),
    (r"low", ("up", "push")),
    (r"high", ("down", "pull")),
    (r"pov|point.of.view", ("handheld", "push")),
    (r"", ("push", "orbit", "static", "right", "left")),
)


def render_motion(
    frame: Path,
    path: Path,
    *,
    width: int,
    height: int,
    fps: Fraction,
    duration_s: Decimal,
    camera: str | None,
    shot_type: str,
    seed: int,
) -> None:
    """Move the camera over a frame and write round(duration_s * fps) pictures as an MP4.

    The frame is cropped to fill (width, height), both even. Raises BadMedia for a frame that is no
    picture and MediaToolFailed when the encoder fails; `path` may then hold part of a clip.
    """
    count = max(1, round(Fraction(duration_s) * fps))
    planes = _planes(frame, width, height)
    move = _move(_chosen(camera, shot_type, seed), seed, float(duration_s))
    pictures = (_seen(planes, move(i / max(1, count - 1)), width, height) for i in range(count))
    _encode(pictures, path, width, height, fps)


def _chosen(camera: str | None, shot_type: str, seed: int) -> str:
    said = (camera or "").lower()
    for name, pattern in WORDS:
        if said and re.search(pattern, said):
            return name
    habits = next(h for pattern, h in HABITS if re.search(pattern, shot_type.lower()))
    return habits[seed % len(habits)]


def _eased(t: float) -> float:
    """A slow start and a soft landing, still moving in between."""
    return 0.35 * t + 0.65 * t * t * t * (t * (6 * t - 15) + 10)


def _between(start: View, end: View) -> Move:
    def move(t: float) -> View:
        k = _eased(t)
        x, y = (start[i] + (end[i] - start[i]) * k for i in (0, 1))
        return x, y, start[2] * (end[2] / start[2]) ** k

    return move


def _move(name: str, seed: int, duration_s: float) -> Move:
    chance = random.Random(f"camera|{seed}")  # noqa: S311 - drawing, no secret
    x, y = 0.5 + chance.uniform(-0.02, 0.02), 0.5 + chance.uniform(-0.02, 0.01)
    far = min(1.0, 0.45 + duration_s / 8)  # short shots move less, so that speed stays human
    swing, tight = 0.085 * far, 1.0 + 0.20 * far
    wander = _between((x, y, 1.03), (1 - x, 1 - y, 1.03 + 0.025 * far))
    moves: dict[str, Move] = {
        "push": _between((0.5, 0.5, 1.02), (x, y, 1.02 * tight)),
        "pull": _between((x, y, 1.02 * tight), (0.5, 0.5, 1.02)),
        "left": _between((0.5 + swing, y, 1.22), (0.5 - swing, y, 1.22)),
        "right": _between((0.5 - swing, y, 1.22), (0.5 + swing, y, 1.22)),
        "up": _between((x, 0.5 + swing, 1.22), (x, 0.5 - swing, 1.22)),
        "down": _between((x, 0.5 - swing, 1.22), (x, 0.5 + swing, 1.22)),
        "static": wander,
    }
    if name == "orbit":
        return _orbit(swing, chance.choice((-1, 1)))
    return _handheld(chance, duration_s) if name == "handheld" else moves[name]


def _orbit(swing: float, way: int) -> Move:
    def move(t: float) -> View:
        turn = math.pi * (_eased(t) - 0.5)
        return (
            0.5 + way * swing * math.sin(turn),
            0.5 - 0.02 * math.cos(turn),
            (1.20 + 0.05 * math.cos(turn)),
        )

    return move


def _handheld(chance: random.Random, duration_s: float) -> Move:
    sways = [
        (chance.uniform(0.25, 0.7) * k, chance.uniform(0, math.tau), 0.011 / k)
        for k in (1, 2.1, 4.3)
        for _ in "xy"
    ]

    def move(t: float) -> View:
        s = t * duration_s
        x, y = (sum(a * math.sin(math.tau * f * s + p) for f, p, a in sways[i::2]) for i in (0, 1))
        return 0.5 + x, 0.5 + y, 1.10 + 0.03 * t

    return move


def _planes(frame: Path, width: int, height: int) -> Planes:
    """The frame as BT.709 limited-range luma and two half-size chroma planes."""
    try:
        with Image.open(frame) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise BadMedia(f"frame: {opened.width}x{opened.height} is too large a picture")
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise BadMedia("frame: not a readable picture") from None
    rgb = np.asarray(_filling(picture, width / height), np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709
    y = _plane(16 + luma * (219 / 255))
    cb = _plane(128 + (blue - luma) / 1.8556 * (224 / 255))
    cr = _plane(128 + (red - luma) / 1.5748 * (224 / 255))
    half = (max(1, y.width // 2), max(1, y.height // 2))
    return y, cb.resize(half, Image.Resampling.BOX), cr.resize(half, Image.Resampling.BOX)


def _plane(values: npt.NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _filling(picture: Image.Image, aspect: float) -> Image.Image:
    """The largest middle part of a picture with this aspect."""
    width = min(picture.width, max(1, round(picture.height * aspect)))
    height = min(picture.height, max(1, round(picture.width / aspect)))
    x, y = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((x, y, x + width, y + height))


def _seen(planes: Planes, view: View, width: int, height: int) -> bytes:
    """What the camera sees, as raw yuv420p."""
    x, y, zoom = view
    half = 0.5 / max(1.0, zoom)
    x, y = (min(1 - half, max(half, v)) for v in (x, y))
    seen = []
    for plane, size in zip(
        planes, ((width, height), *[(width // 2, height // 2)] * 2), strict=True
    ):
        w, h = plane.size
        part = ((x - half) * w, (y - half) * h, min(w, (x + half) * w), min(h, (y + half) * h))
        seen.append(plane.resize(size, Image.Resampling.BICUBIC, box=part).tobytes())
    return b"".join(seen)


def _command(path: Path, width: int, height: int, fps: Fraction) -> list[str]:
    raw = f"-f rawvideo -pix_fmt yuv420p -s {width}x{height} -r {fps} -i pipe:0"
    tags = "-vf setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    codec = "-c:v libx264 -preset veryfast -crf 19 -threads 1 -pix_fmt yuv420p"
    container = "-fflags +bitexact -movflags +faststart -f mp4"
    quiet = [word for word in QUIET if word != "-nostdin"]
    return [ffmpeg_path(), *quiet, *f"{raw} {tags} {codec} {container}".split(), str(path)]


def _encode(pictures: Iterator[bytes], path: Path, width: int, height: int, fps: Fraction) -> None:
    command = _command(path, width, height, fps)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - arguments as a list, no shell
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert process.stdin is not None
        try:
            _feed(process.stdin, pictures)
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise MediaToolFailed(f"ffmpeg took more than {PATIENCE_S:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        if process.returncode:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()[-500:]
            raise MediaToolFailed(f"ffmpeg: {words}")


def _feed(pipe: IO[bytes], pictures: Iterator[bytes]) -> None:
    try:
        with pipe:
            for picture in pictures:
                pipe.write(picture)
    except BrokenPipeError:
        return  # ffmpeg went away: its exit status and last words say why
