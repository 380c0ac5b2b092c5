"""What a media file really is, and whether it may be used: judged by content, never by name."""

import struct
import time
import zlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from filmforge.domain import Kind
from filmforge.errors import BadMedia
from filmforge.fields import Frozen
from filmforge.media.sniff import MAX_PIXELS, open_media, sniff

_WHOLE_S = 4.0
_TAIL_S = 1.0
_MOST_BROKEN = 0.1
_BROKEN_PICTURE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP")
AnyStream = TypeVar("AnyStream", VideoStream, AudioStream)
_TICK = Fraction(1, 1_000_000)


class Limits(Frozen):
    """What a file may be at most.

    `max_pixels` is width times height of one picture; `max_duration_s` bounds films and sound;
    `whole_audio_s` is how long a sound is decoded whole, a longer one only at its ends;
    `decode_s` is how many seconds of work the check itself may take.
    """

    max_bytes: int = 2_000_000_000
    max_pixels: int = MAX_PIXELS
    max_duration_s: float = 600.0
    whole_audio_s: float = 180.0
    decode_s: float = 60.0


class MediaFacts(Frozen):
    """What a file is: sizes in pixels as stored, `duration_s` in seconds, `sample_rate` in Hz."""

    kind: Kind
    media_type: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    fps: Fraction | None = None
    frames: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None


DEFAULT_LIMITS = Limits()


def probe(path: Path) -> MediaFacts:
    """Read what a file says of itself, decoding nothing. Raises BadMedia."""
    content = sniff(path)
    if content.demuxer is None:
        with open_picture(path) as picture:
            width, height = picture.size
        return MediaFacts(
            kind=Kind.IMAGE, media_type=content.media_type, width=width, height=height
        )
    try:
        with open_media(path) as media:
            return _stream_facts(media, content.media_type)
    except av.FFmpegError as error:
        raise BadMedia(f"the file is damaged: {error.strerror}") from None


def verify(path: Path, expected: Kind, limits: Limits = DEFAULT_LIMITS) -> MediaFacts:
    """Make sure a file is whole, of the kind expected and within the limits.

    A picture is decoded whole, a film at its beginning and end, a sound whole unless it is long.
    Raises BadMedia saying what was found and what is allowed.
    """
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise BadMedia(f"the file has {size:,} bytes; {limits.max_bytes:,} are allowed")
    facts = probe(path)
    if facts.kind is not expected:
        raise BadMedia(
            f"the file is {facts.kind.value} ({facts.media_type}); {expected.value} is expected"
        )
    _check_pixels(facts.width or 0, facts.height or 0, limits.max_pixels)
    if expected is Kind.IMAGE:
        with open_picture(path, limits.max_pixels) as picture:
            _load(picture)
        return facts
    _check_duration(facts.duration_s, limits)
    _check_decodes(path, facts, limits)
    return facts


def open_picture(path: Path, max_pixels: int = DEFAULT_LIMITS.max_pixels) -> Image.Image:
    """Open a PNG, JPEG or WebP without decoding it. Raises BadMedia, also for too many pixels."""
    try:
        picture = Image.open(path, formats=_PICTURE_FORMATS)
    except _BOMB:
        raise BadMedia(f"the picture has far more than {max_pixels:,} pixels") from None
    except _BROKEN_PICTURE as error:
        raise BadMedia(f"the picture cannot be read: {error}") from None
    try:
        _check_pixels(*picture.size, max_pixels)
    except BadMedia:
        picture.close()
        raise
    return picture


def _load(picture: Image.Image) -> None:
    try:
        picture.load()
    except _BROKEN_PICTURE as error:
        raise BadMedia(f"the picture is damaged or cut short: {error}") from None


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BadMedia(
            f"the picture is {width} x {height}, {width * height:,} pixels; "
            f"{max_pixels:,} are allowed"
        )


def _check_duration(duration_s: float | None, limits: Limits) -> None:
    if not duration_s or duration_s <= 0:
        raise BadMedia("the file lasts no time at all")
    if duration_s > limits.max_duration_s:
        raise BadMedia(
            f"the file lasts {duration_s:.1f} s; {limits.max_duration_s:.0f} s are allowed"
        )


def _stream_facts(media: InputContainer, media_type: str) -> MediaFacts:
    video, audio = _video(media), _audio(media)
    if video is None and audio is None:
        raise BadMedia("the file holds neither picture nor sound")
    kind = Kind.VIDEO if video else Kind.AUDIO
    return MediaFacts(
        kind=kind,
        media_type=f"{kind.value}/{_subtype(media_type, kind)}",
        width=video.codec_context.width if video else None,
        height=video.codec_context.height if video else None,
        duration_s=_duration_s(media),
        fps=video.average_rate if video else None,
        frames=(video.frames or None) if video else None,
        video_codec=video.codec_context.name if video else None,
        audio_codec=audio.codec_context.name if audio else None,
        sample_rate=audio.codec_context.sample_rate if audio else None,
        channels=audio.codec_context.channels if audio else None,
    )


def _video(media: InputContainer) -> VideoStream | None:
    # The cover picture of a song is a video stream to ffmpeg.
    moving = [s for s in media.streams.video if not s.disposition & Disposition.attached_pic]
    return _known(moving[0]) if moving else None


def _audio(media: InputContainer) -> AudioStream | None:
    return _known(media.streams.audio[0]) if media.streams.audio else None


def _known(stream: AnyStream) -> AnyStream:
    if getattr(stream, "codec_context", None) is None:
        raise BadMedia(f"the file's {stream.type} is in a format that is not known")
    return stream


def _subtype(media_type: str, kind: Kind) -> str:
    subtype = media_type.partition("/")[2]
    return "mp4" if kind is Kind.AUDIO and subtype == "quicktime" else subtype


def _duration_s(media: InputContainer) -> float:
    """The duration a file declares; files written as a stream declare none and are measured."""
    if media.duration:
        # Matroska counts from 0, also when its first picture comes later.
        late = max(0, media.start_time or 0) if "matroska" in media.format.name else 0
        return float((media.duration - late) * _TICK)
    return max((_end_s(packet) for packet in media.demux()), default=0.0)


def _end_s(packet: Any) -> float:
    if packet.pts is None or packet.time_base is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _check_decodes(path: Path, facts: MediaFacts, limits: Limits) -> None:
    duration_s = facts.duration_s or 0.0
    whole_s = _WHOLE_S if facts.kind is Kind.VIDEO else limits.whole_audio_s
    deadline = time.monotonic() + limits.decode_s
    try:
        with open_media(path) as media:
            if video := _video(media):
                video.thread_type = "AUTO"
            start_s = float((media.start_time or 0) * _TICK)
            if duration_s <= whole_s:
                end_s = _decode(media, facts.kind, None, deadline)
            else:
                _decode(media, facts.kind, start_s + _TAIL_S, deadline)
                media.seek(int((start_s + duration_s - _TAIL_S) / _TICK))
                end_s = _decode(media, facts.kind, None, deadline)
    except av.FFmpegError as error:
        raise BadMedia(f"the file is damaged: {error.strerror}") from None
    _check_end(facts, end_s - start_s)


def _check_end(facts: MediaFacts, end_s: float) -> None:
    duration_s = facts.duration_s or 0.0
    slack_s = max(0.1, min(0.5, duration_s / 4), float(2 / facts.fps) if facts.fps else 0.0)
    # MP3 and ADTS declare no length: what is known of it is a guess from the bit rate.
    guessed = facts.media_type in ("audio/mpeg", "audio/aac")
    if end_s < duration_s - slack_s and not guessed:
        raise BadMedia(f"the file is cut short: {duration_s:.2f} s declared, {end_s:.2f} s there")


def _decode(media: InputContainer, kind: Kind, until_s: float | None, deadline: float) -> float:
    """Decode from where the file stands; returns when the last packet ends, in seconds."""
    judged = _video(media) if kind is Kind.VIDEO else _audio(media)
    end_s, frames, broken = 0.0, 0, 0
    for packet in _packets(media, deadline):
        end_s = max(end_s, _end_s(packet))
        if packet.stream is judged:
            decoded = packet.decode()
            frames += len(decoded)
            broken += sum(frame.is_corrupt for frame in decoded)
        if until_s is not None and end_s >= until_s:
            break
    if not frames:
        raise BadMedia(f"no {kind.value} can be decoded from the file")
    if broken > frames * _MOST_BROKEN:
        raise BadMedia(f"the file is damaged: {broken} of {frames} frames cannot be decoded whole")
    return end_s


def _packets(media: InputContainer, deadline: float) -> Iterator[Any]:
    for packet in media.demux(*chain(media.streams.video, media.streams.audio)):
        if time.monotonic() > deadline:
            raise BadMedia("the file takes too long to decode: make it smaller or shorter")
        if packet.is_corrupt:
            raise BadMedia("the file is damaged or cut short")
        yield packet
