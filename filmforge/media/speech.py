"""Speech made on this machine by eSpeak NG: one steady voice for each name."""

import ctypes
import math
import random
import threading
import unicodedata
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
import numpy.typing as npt

from filmforge.errors import BadInput, MediaToolFailed
from filmforge.media.panel.wardrobe import look_of

RATE_HZ = 48_000
MAX_CHARS = 8_000
SYNCHRONOUS, DONT_EXIT, UTF8, BY_CHARACTER = 2, 0x8000, 1, 1  # speak_lib.h
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER in speak_lib.h
PAUSE_S = 0.12
PEAK = 0.71  # 3 dB below full scale

Samples = npt.NDArray[np.float32]

SCRIPTS = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HEBREW": "he",
    "ARABIC": "ar",
    "DEVANAGARI": "hi",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "cmn",
    "THAI": "th",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}
TEMPERS = {  # words a minute, pitch and range (0 to 100) added to the voice's own
    "nostalgic": (-14, -2, -4),
    "sad": (-24, -6, -12),
    "calm": (-16, -2, -6),
    "tense": (14, 3, 6),
    "joyful": (10, 6, 16),
    "curious": (2, 4, 12),
    "mysterious": (-20, -6, -6),
    "angry": (16, 2, 20),
    "scary": (-10, -8, 4),
    "romantic": (-14, 0, -2),
    "epic": (-6, -4, 10),
}


@dataclass(frozen=True)
class Voice:
    """How a name sounds: an eSpeak variant, words a minute, pitch and range from 0 to 100."""

    variant: str
    words_a_minute: int
    pitch: int
    range: int


def voice_of(name: str) -> Voice:
    """The voice that goes with a name, as steady as the face a panel gives it."""
    key = " ".join(name.lower().split())
    chance = random.Random(f"voice|{key}")  # noqa: S311 - a choice of sound, no secret
    look = look_of(key)
    high = 14 if look.height < 1.4 else 0
    if look.masculine:
        return Voice(
            chance.choice(("m1", "m2", "m3", "m4", "m7")),
            chance.randint(142, 164),
            chance.randint(30, 44) + high,
            chance.randint(38, 56),
        )
    return Voice(
        chance.choice(("f1", "f2", "f3", "f4")),
        chance.randint(146, 168),
        chance.randint(48, 60) + high,
        chance.randint(42, 60),
    )


def speak(text: str, path: Path, *, voice: str, mood: str | None, seed: int) -> None:
    """Say a text in the voice of a name and write it as WAV: 48 kHz, mono, 16 bit.

    `seed` shifts the reading a little, so that a retake differs. Raises BadInput when nothing in
    the text can be said, MediaToolFailed when the synthesiser fails.
    """
    if len(text) > MAX_CHARS:
        raise BadInput("text", f"is longer than {MAX_CHARS} characters", "Split the dialogue.")
    if not any(ch.isalnum() for ch in text):
        raise BadInput("text", "holds nothing that can be spoken", "Write words or numbers.")
    sound = _synthesiser().say(text.replace("\0", " "), voice_of(voice), mood, seed)
    if not sound.size or float(np.abs(sound).max()) < 0.002:
        raise BadInput("text", "holds nothing this voice can speak", "Write it in words.")
    _write(path, sound)


class _Synthesiser:
    """eSpeak NG in this process: its state is global, so one text is said at a time."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lock = threading.Lock()
        self._heard: list[bytes] = []
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz = self._library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT)
        if self.rate_hz <= 0:
            raise MediaToolFailed("eSpeak NG could not be started")
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = kind(self._hear)  # kept: the library calls it for as long as it lives
        self._library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
        if samples and count > 0:
            self._heard.append(ctypes.string_at(samples, count * 2))
        return 0

    def say(self, text: str, voice: Voice, mood: str | None, seed: int) -> Samples:
        """The text as samples from -1 to 1 at RATE_HZ."""
        with self._lock:
            self._heard = []
            self._choose(f"{_language(text)}+{voice.variant}")
            faster, higher, livelier = TEMPERS.get((mood or "").lower(), (0, 0, 0))
            self._set(RATE, voice.words_a_minute + faster + seed % 7 - 3)
            self._set(PITCH, voice.pitch + higher)
            self._set(RANGE, voice.range + livelier + seed % 5 - 2)
            said = text.encode("utf-8", "replace") + b"\0"
            failed = self._library.espeak_Synth(
                said, len(said), 0, BY_CHARACTER, 0, UTF8, None, None
            )
            if failed or self._library.espeak_Synchronize():
                raise MediaToolFailed(f"eSpeak NG failed with code {failed}")
            raw = b"".join(self._heard)
        return _resampled(
            np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768), self.rate_hz
        )

    def _choose(self, name: str) -> None:
        if self._library.espeak_SetVoiceByName(name.encode()):
            raise MediaToolFailed(f"eSpeak NG has no voice {name}")

    def _set(self, parameter: int, value: int) -> None:
        top = 450 if parameter == RATE else 99
        self._library.espeak_SetParameter(parameter, min(top, max(1, value)), 0)


@cache
def _synthesiser() -> _Synthesiser:
    return _Synthesiser()


def _language(text: str) -> str:
    """The language to read in, by the script most of the letters are of."""
    scripts = [
        name.split()[0].split("-")[0]
        for name in (unicodedata.name(ch, "") for ch in text[:2_000] if ch.isalpha())
        if name
    ]
    if {"HIRAGANA", "KATAKANA"} & set(scripts):
        return "ja"
    most = max(sorted(set(scripts)), key=scripts.count, default="LATIN")
    return SCRIPTS.get(most, "en-us")


def _resampled(sound: Samples, rate_hz: int, taps: int = 16) -> Samples:
    """The sound at RATE_HZ by windowed-sinc interpolation.

    The same few fractions of a sample come round again and again, so one matrix holds their weights
    and turns `few` samples into `many`.
    """
    shared = math.gcd(rate_hz, RATE_HZ)
    few, many = rate_hz // shared, RATE_HZ // shared
    places = np.arange(many) * few / many + taps
    away = places[None, :] - np.arange(few + 2 * taps)[:, None]
    window = np.where(np.abs(away) < taps, 0.5 + 0.5 * np.cos(np.pi * away / taps), 0.0)
    weights = (np.sinc(away) * window).astype(np.float32)
    blocks = -(-len(sound) // few)
    padded = np.pad(sound, (taps, blocks * few - len(sound) + taps))
    windows = np.lib.stride_tricks.sliding_window_view(padded, few + 2 * taps)[::few]
    spread: Samples = (windows[:blocks] @ weights).reshape(-1)[: len(sound) * many // few]
    return spread


def _write(path: Path, sound: Samples) -> None:
    loud = np.flatnonzero(np.abs(sound) > 0.002)
    spoken = sound[loud[0] : loud[-1] + 1]
    quiet = np.zeros(int(PAUSE_S * RATE_HZ), np.float32)
    levelled = np.concatenate((quiet, spoken * np.float32(PEAK / np.abs(spoken).max()), quiet))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((levelled * 32767).astype("<i2").tobytes())
