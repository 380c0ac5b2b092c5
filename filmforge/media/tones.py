"""Music and ambience made on this machine for previews: slow chords, and shaped noise."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from filmforge.media.sample_clock import SAMPLE_RATE
from filmforge.media.wav import wav_writer

_PEAK = 0.35
_EDGE_S = 0.05
_BLOCK_S = 1
_CHORD_S = 4.0
# In semitones: the roots that chords move through, and what stands on each of them.
_ROOTS = (0, -4, 3, -2, -7, 5)
_CHORD = (0, 3, 7, 12)
_LOWEST_HZ = 110.0
_OVERTONES = (1.0, 0.4, 0.15)
_TEXTURE_S = 10
_RUMBLE_HZ = 40.0

Floats = npt.NDArray[np.float64]
# From moments in seconds to what is heard at each, left and right.
Heard = Callable[[Floats], Floats]


def render_music(path: Path, *, prompt: str, duration_s: float, seed: int) -> None:
    """Write slow chords as a 48 kHz stereo WAV; the same words and seed give the same music."""
    chance = _chance(prompt, seed)
    key_hz = _LOWEST_HZ * 2 ** (int(chance.integers(12)) / 12)
    roots = chance.permutation(np.array(_ROOTS))

    def heard(times: Floats) -> Floats:
        place = times / _CHORD_S
        root_hz = key_hz * 2 ** (roots[place.astype(int) % len(roots)] / 12)
        sound = np.stack([_chord(times, root_hz, cents) for cents in (-3, 3)], axis=1)
        return sound * (np.sin(np.pi * (place % 1)) ** 0.5)[:, None]

    _write(path, duration_s, heard)


def render_ambience(path: Path, *, prompt: str, duration_s: float, seed: int) -> None:
    """Write noise like wind or a room as a 48 kHz stereo WAV, the same for the same words."""
    chance = _chance(prompt, seed)
    tilt, pace_hz = chance.uniform(0.6, 1.3), chance.uniform(0.05, 0.2)
    texture = np.stack([_noise(chance, tilt) for _ in range(2)], axis=1)

    def heard(times: Floats) -> Floats:
        places: npt.NDArray[np.intp] = np.rint(times * SAMPLE_RATE).astype(int) % len(texture)
        swell = 0.7 + 0.3 * np.sin(2 * np.pi * pace_hz * times)
        return np.asarray(texture[places] * swell[:, None])

    _write(path, duration_s, heard)


def _chance(prompt: str, seed: int) -> np.random.Generator:
    words = f"{seed}\n{prompt}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(words).digest()[:8]))


def _chord(times: Floats, root_hz: Floats, cents: float) -> Floats:
    """A chord on its root, a little out of tune, so that left and right differ."""
    sound = np.zeros_like(times)
    for semitones in _CHORD:
        hz = root_hz * 2 ** ((semitones + cents / 100) / 12)
        for number, strength in enumerate(_OVERTONES, 1):
            sound += strength * np.sin(2 * np.pi * number * hz * times)
    return sound / (len(_CHORD) * sum(_OVERTONES))


def _noise(chance: np.random.Generator, tilt: float) -> Floats:
    """Noise that is quieter the higher it is, and goes on at its beginning where it ends."""
    samples = _TEXTURE_S * SAMPLE_RATE
    pitches = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    strengths = np.where(pitches > 0, (pitches + _RUMBLE_HZ) ** -tilt, 0)
    phases = np.exp(2j * np.pi * chance.random(len(pitches)))
    noise = np.fft.irfft(strengths * phases, samples)
    return np.asarray(noise / np.abs(noise).max())


def _write(path: Path, duration_s: float, heard: Heard) -> None:
    """Write what is heard, block by block, softly begun and ended."""
    with wav_writer(path) as write:
        for times in _times(duration_s):
            edges = np.minimum(times, duration_s - times) / min(_EDGE_S, duration_s / 2)
            sound = heard(times) * np.clip(edges, 0, 1)[:, None] * _PEAK
            write(sound.astype(np.float32))


def _times(duration_s: float) -> Iterator[Floats]:
    samples, block = round(duration_s * SAMPLE_RATE), _BLOCK_S * SAMPLE_RATE
    for start in range(0, samples, block):
        yield np.arange(start, min(start + block, samples)) / SAMPLE_RATE
