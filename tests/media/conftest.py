"""Small clips, voices and pieces for the media tests, made once a run."""

import asyncio
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.media.conform import ConformSpec, conform
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.passage import Piece
from filmforge.media.sample_clock import samples_at

MakeClip = Callable[..., Awaitable[Path]]
MakePiece = Callable[..., Awaitable[Piece]]
Conform = Callable[..., Awaitable[Path]]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Render `name` from a lavfi picture and, unless None, a lavfi sound."""

    async def make(
        name: str,
        picture: str | None = "testsrc2=s=160x90:r=25:d=1",
        sound: str | None = None,
        *arguments: str,
    ) -> Path:
        path = tmp_path / name
        given = [lavfi for lavfi in (picture, sound) if lavfi]
        inputs = [word for lavfi in given for word in ("-f", "lavfi", "-i", lavfi)]
        await run_ffmpeg([*inputs, *arguments, str(path)])
        return path

    return make


@pytest.fixture
def make_piece(tmp_path: Path, make_clip: MakeClip) -> MakePiece:
    """Render and conform a piece of 128 x 96 from a lavfi picture and sound."""

    async def make(
        name: str,
        picture: str,
        sound: str | None,
        fps: Fraction,
        frames: int,
        *,
        head: int = 0,
        tail: int = 0,
    ) -> Piece:
        clip = await make_clip(f"{name}-clip.mp4", picture, sound)
        spec = ConformSpec(
            width=128, height=96, fps=fps, frames=frames, head_frames=head, tail_frames=tail
        )
        path = tmp_path / f"{name}.mov"
        await conform(clip, path, spec)
        return Piece(path=path, frames=frames)

    return make


@pytest.fixture
def conformed(tmp_path: Path) -> Conform:
    """Conform a clip as 64 x 64 within 20 s, and make sure of its frames and samples."""

    async def take(clip: Path, frames: int = 12, fps: Fraction = Fraction(24)) -> Path:
        path = tmp_path / "piece.mov"
        async with asyncio.timeout(60):
            await conform(clip, path, ConformSpec(width=64, height=64, fps=fps, frames=frames))
        with av.open(str(path)) as media:
            assert sum(1 for _ in media.decode(video=0)) == frames
            media.seek(0)
            heard = sum(frame.samples for frame in media.decode(audio=0))
            assert heard == samples_at(frames, fps)
        return path

    return take


def _pictures_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as media:
        frames = [frame.to_ndarray(format="yuv420p") for frame in media.decode(video=0)]
        return [np.asarray(frame, np.uint8) for frame in frames]


def _sound_of(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as media:
        stream = media.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout=stream.layout.name)
        blocks = [
            out.to_ndarray().reshape(-1, stream.channels)
            for frame in media.decode(stream)
            for out in resampler.resample(frame)
        ]
    return np.concatenate(blocks)


def _loudness(samples: NDArray[np.float32], start_s: float, end_s: float) -> float:
    part = samples[int(start_s * 48_000) : int(end_s * 48_000)]
    return float(np.sqrt(np.mean(np.square(part))))


@pytest.fixture
def pictures_of() -> Callable[[Path], list[NDArray[np.uint8]]]:
    """Decode every frame of a file as planar yuv420p, of shape (height * 3 / 2, width)."""
    return _pictures_of


@pytest.fixture
def sound_of() -> Callable[[Path], NDArray[np.float32]]:
    """Decode the sound of a file, of shape (samples, channels), between -1 and 1."""
    return _sound_of


@pytest.fixture
def loudness() -> Callable[[NDArray[np.float32], float, float], float]:
    """The root mean square of 48 kHz samples between two seconds."""
    return _loudness
