"""Measure a take or a film in one pass over its file."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from filmforge.errors import BadMedia
from filmforge.fields import Frozen
from filmforge.media.picture_checks import PictureMeasures, PictureWatch, picture_measures
from filmforge.media.probe import DEFAULT_LIMITS, open_picture
from filmforge.media.sniff import open_media, sniff
from filmforge.media.sound_checks import SoundListener, SoundMeasures

PATIENCE_S = 3_600.0
# Raise it when other figures come of the same file: what was measured before is measured anew.
EDITION = 1
_MANY_ERRORS = 100
_USUAL_RATE = Fraction(25)


class Measures(Frozen):
    """All that was measured of one file; `errors` counts what could not be decoded.

    It depends on the file alone, so it may be kept under the file's digest.
    """

    picture: PictureMeasures | None = None
    sound: SoundMeasures | None = None
    errors: int = 0


async def measure(path: Path, patience_s: float = PATIENCE_S) -> Measures:
    """Decode a picture, film or sound once, in a thread, and tell all that can be checked of it.

    What is damaged inside is counted, not raised. Raises BadMedia for a file that can't be
    opened, is too large a picture or takes longer than `patience_s`; stops when cancelled.
    """
    stop = Event()
    work = asyncio.ensure_future(asyncio.to_thread(measured, path, patience_s, stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await work
        raise


def measured(path: Path, patience_s: float = PATIENCE_S, stop: Event | None = None) -> Measures:
    """As `measure`, here and now; raises BadMedia also once `stop` is set."""
    if sniff(path).demuxer is None:
        return _of_picture(path)
    with open_media(path) as media:
        return _Pass(media, time.monotonic() + patience_s, stop or Event()).measures()


def _of_picture(path: Path) -> Measures:
    with open_picture(path) as picture:
        try:
            return Measures(picture=picture_measures(picture))
        # Pillow's decoders fail in any of these ways on broken bytes.
        except (OSError, SyntaxError, ValueError, EOFError):
            return Measures(errors=1)


class _Pass:
    """One run through a file, both its streams side by side."""

    def __init__(self, media: InputContainer, deadline: float, stop: Event) -> None:
        self._media = media
        self._deadline = deadline
        self._stop = stop
        self._errors = 0
        self._unseen = 0
        self._video = _moving(media)
        self._audio = media.streams.audio[0] if media.streams.audio else None
        if self._video is None and self._audio is None:
            raise BadMedia("the file holds neither picture nor sound")
        self._watch = PictureWatch(1 / _rate(self._video)) if self._video else None
        self._listener = SoundListener(self._audio) if self._audio else None

    def measures(self) -> Measures:
        for packet in self._packets():
            self._decode(packet)
            if self._errors >= _MANY_ERRORS:
                break
        return Measures(
            picture=self._watch.measures(self._declared()) if self._watch else None,
            sound=self._listener.measures() if self._listener else None,
            errors=self._errors,
        )

    def _packets(self) -> Iterator[Any]:
        streams = [stream for stream in (self._video, self._audio) if stream]
        try:
            for packet in self._media.demux(*streams):
                if self._stop.is_set():
                    raise BadMedia("the check was stopped")
                if time.monotonic() > self._deadline:
                    raise BadMedia("the file takes too long to decode: make it shorter or smaller")
                yield packet
        except av.FFmpegError:
            self._errors += 1

    def _decode(self, packet: Any) -> None:
        self._errors += bool(packet.is_corrupt)
        self._unseen += packet.is_discard and packet.stream is self._video
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self._errors += 1
            return
        for frame in frames:
            self._take(frame)

    def _take(self, frame: Any) -> None:
        self._errors += bool(frame.is_corrupt)
        if isinstance(frame, VideoFrame) and self._watch:
            if frame.pts is None or frame.time_base is None:
                self._errors += 1
            else:
                self._watch.add(frame, Fraction(frame.pts * frame.time_base))
        elif isinstance(frame, AudioFrame) and self._listener:
            self._listener.add(frame)

    def _declared(self) -> int | None:
        declared = self._video.frames if self._video else 0
        return declared - self._unseen if declared else None


def _moving(media: InputContainer) -> VideoStream | None:
    # The cover picture of a song is a video stream to ffmpeg.
    moving = [s for s in media.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        return None
    context = moving[0].codec_context
    if context.width * context.height > DEFAULT_LIMITS.max_pixels:
        raise BadMedia(
            f"the picture is {context.width} x {context.height}; "
            f"{DEFAULT_LIMITS.max_pixels:,} pixels are allowed"
        )
    return moving[0]


def _rate(video: VideoStream) -> Fraction:
    return Fraction(video.average_rate or video.guessed_rate or _USUAL_RATE)
