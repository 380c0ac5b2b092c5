"""Speech: a line of dialogue, in the voice of a reference, in a mood.

Dia (Nari Labs, Apache-2.0; its makers mean it for research and education and forbid to imitate
people without their consent) by transformers, 1.6 billion parameters. It writes the codes of a
sound codec, DAC (Descript, MIT), which makes 44.1 kHz of them. It speaks English only.

The voice is that of the input `voice`: some seconds of it and what is said there, `voice_text`, go
before the line, and Dia goes on as it began. Without a reference the seed makes up a voice in the
first sentences, which are the reference of the others.

A mood is what Dia was trained to hear in its text, a sound in brackets before the first words, and
how freely it chooses: a higher temperature varies pitch and pace more, a higher guidance keeps
closer to the text. EMOTIONS says which emotion is what; a voice reference in that mood does more
than all of it.

On an L4 a second of speech takes two to three seconds, about 0.001 USD, and loading half a minute:
estimates, not measurements. Weights: nari-labs/Dia-1.6B-0626 and descript/dac_44khz, 6.8 GB.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import modal
from pydantic import Field

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, sound, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.generation import seeded, telling
from gpu_functions.maker import Made, Room
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-speech")
image = deployment.image_of("torch==2.13.0", "transformers==5.23.0", "av==18.1.0", "numpy==2.4.6")

# The repository holds the same weights three times: these are the files that transformers reads.
MODEL = Repo(
    "nari-labs/Dia-1.6B-0626",
    revision="ef2795fcc29c5abe6ffc91fd33808588b49bbc66",
    licence="Apache-2.0",
    folder="dia",
    files=("*.json", "model-*.safetensors"),
)
CODEC = Repo(
    "descript/dac_44khz",
    revision="c1bc521685adf9cfe247bc39a5ca58917eda1ac4",
    licence="MIT",
    folder="codec",
    files=("config.json", "preprocessor_config.json", "model.safetensors"),
)
SOURCE = Source(repos=(MODEL, CODEC), gib=6.3)

# 6.44 GB of float32 in the repository; the codec is 0.3 GB of float32 everywhere.
PARAMETERS = 1.61e9
CODEC_GIB = 0.3
# What its makers measured in all (4.4 GB in float16), less the weights.
WORKING_GIB = 1.0

# Dia speaks best what takes it 5 to 20 seconds (its README); some 15 letters are a second. What is
# heard before a line and the line itself must fit in 3072 frames, which are 35 seconds, and in 1024
# bytes of text.
MOST_LETTERS = 180
LONGEST_LINE_S = 18.0
LONGEST_VOICE_S = 12.0
MOST_VOICE_BYTES = 300
# Nobody speaks more slowly than so; it ends a line that does not end by itself.
LETTERS_PER_S = 5.0
SHORTEST_LINE_S = 0.3
PAUSE_S = 0.2
# As in the model's generation_config.json.
TOP_P = 0.9
TOP_K = 50

Emotion = Literal["neutral", "calm", "tense", "joyful", "sad", "angry", "afraid", "whisper"]


@dataclass(frozen=True)
class Delivery:
    """How a line is spoken: a sound before it, and how freely Dia chooses."""

    sound: str
    temperature: float
    guidance: float


# Dia knows twenty-one sounds (its README) and neither anger nor whispering: for those these are
# the nearest it has. Temperature and guidance of "neutral" are the model's own.
EMOTIONS: dict[str, Delivery] = {
    "neutral": Delivery("", 1.8, 3.0),
    "calm": Delivery("(exhales)", 1.4, 3.0),
    "tense": Delivery("(inhales)", 1.6, 4.0),
    "joyful": Delivery("(chuckle)", 2.0, 3.0),
    "sad": Delivery("(sighs)", 1.4, 3.5),
    "angry": Delivery("(groans)", 2.0, 4.0),
    "afraid": Delivery("(gasps)", 1.8, 4.0),
    "whisper": Delivery("(mumbles)", 1.3, 3.5),
}
# The words of a shot's mood that mean an emotion; a mood with none of them is spoken neutrally.
MOODS: dict[str, str] = {
    **dict.fromkeys(("calm", "serene", "peaceful", "quiet", "gentle", "tender"), "calm"),
    **dict.fromkeys(("tense", "suspenseful", "ominous", "anxious", "nervous", "urgent"), "tense"),
    **dict.fromkeys(("joyful", "happy", "cheerful", "playful", "hopeful", "warm"), "joyful"),
    **dict.fromkeys(("sad", "melancholic", "melancholy", "sombre", "somber", "lonely"), "sad"),
    **dict.fromkeys(("angry", "furious", "violent", "bitter", "aggressive"), "angry"),
    **dict.fromkeys(("afraid", "scared", "fearful", "terrified", "eerie", "horror"), "afraid"),
    **dict.fromkeys(("whisper", "whispered", "intimate", "secretive", "hushed"), "whisper"),
}


class Wish(wishes.Wish):
    """`voice` names the speaker and, without a reference, helps the seed to make up the voice.

    `emotion` goes before `mood`; `voice_text` is what is said in the input `voice`.
    """

    text: str = Field(min_length=1, max_length=1000)
    voice: str = ""
    voice_text: str = ""
    emotion: Emotion | None = None
    mood: str | None = None

    @property
    def spoken(self) -> str:
        """The emotion it comes to."""
        words = re.findall(r"[a-z]+", (self.mood or "").lower())
        return self.emotion or next((MOODS[word] for word in words if word in MOODS), "neutral")


# A long text is spoken in lines of whole sentences, each of which is a checkpoint.
def lines_of(text: str, most: int = MOST_LETTERS) -> list[str]:
    """A text in lines of at most so many letters, cut after sentences, else clauses, else words."""
    lines: list[str] = []
    for part in _parts(" ".join(text.split()), most, (r"(?<=[.!?…])\s+", r"(?<=[,;:])\s+", r"\s+")):
        if lines and len(lines[-1]) + 1 + len(part) <= most:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def _parts(text: str, most: int, ends: tuple[str, ...]) -> list[str]:
    if len(text) <= most:
        return [text]
    if not ends:
        return [text[begin : begin + most] for begin in range(0, len(text), most)]
    return [part for piece in re.split(ends[0], text) for part in _parts(piece, most, ends[1:])]


@dataclass(frozen=True)
class Voice:
    """What is heard before a line: samples, and what is said in them."""

    samples: Any
    text: str


class Speech:
    """Speaks `text`; the output is WAV, mono, at the codec's rate."""

    name: ClassVar[str] = "speech"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True

    def __init__(self, weights: Path, device: Device) -> None:
        from transformers import (
            DacModel,
            DiaFeatureExtractor,
            DiaForConditionalGeneration,
            DiaProcessor,
            DiaTokenizer,
        )

        self._device = device
        folder = weights / MODEL.folder
        codec = DacModel.from_pretrained(weights / CODEC.folder, local_files_only=True)
        self._processor = DiaProcessor(
            DiaFeatureExtractor.from_pretrained(folder, local_files_only=True),
            DiaTokenizer.from_pretrained(folder, local_files_only=True),
            codec.to(device.kind).eval(),
        )
        self._model = DiaForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, dtype=_dtype(device), attn_implementation="sdpa"
        ).to(device.kind)
        self._rate = codec.config.sampling_rate
        self._frames_per_s = self._rate / codec.config.hop_length

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The weights and one line at work; a longer text takes longer, not more memory."""
        numbers = device.number_bytes
        return PARAMETERS * numbers / GIB + CODEC_GIB + WORKING_GIB

    def make(self, work: Work, room: Room) -> Made:
        """Speak; the facts are the emotion, the lines it was spoken in, and the duration."""
        wish = wishes.read(Wish, work)
        lines = lines_of(wish.text)
        if not any(letter.isalnum() for letter in wish.text):
            raise BadInput("text", "holds nothing that can be spoken", "Write words or numbers.")
        spoken = self._speak_all(lines, wish, work, room)
        samples = _joined(spoken, round(PAUSE_S * self._rate))
        path = room.folder / "speech.wav"
        sound.encode(path, samples, self._rate)
        duration_s = round(len(samples) / self._rate, 3)
        facts = {"emotion": wish.spoken, "lines": len(lines), "duration_s": duration_s}
        return Made(path, "audio/wav", facts)

    def close(self) -> None:
        """Give the memory back."""
        del self._model, self._processor
        self._device.forget()

    def _speak_all(self, lines: list[str], wish: Wish, work: Work, room: Room) -> list[Any]:
        """Each line as samples; what was spoken before is not spoken again."""
        import numpy as np

        voice = self._reference(wish, room)
        seed = seed_of(work.seed or 0, "" if voice else wish.voice)
        delivery = EMOTIONS[wish.spoken]
        lines = [f"{delivery.sound} {lines[0]}".strip(), *lines[1:]]
        spoken: list[Any] = []
        for index, line in enumerate(lines):
            share = index / len(lines)
            room.tell(share)
            name = f"line-{index}.npy"
            path = room.folder / name
            if not room.checkpoints.load(name, path):
                with seeded(seed + index):
                    np.save(path, self._speak(line, delivery, voice, partial(room.tell, share)))
                room.checkpoints.save(name, path)
            spoken.append(np.load(path))
            voice = voice or Voice(spoken[0], line)
        return spoken

    def _reference(self, wish: Wish, room: Room) -> Voice | None:
        if "voice" not in room.inputs and not wish.voice_text:
            return None
        path = room.input("voice")
        text = " ".join(wish.voice_text.split())
        if not text or len(text.encode()) > MOST_VOICE_BYTES:
            remedy = f"Write what is said in the voice, in at most {MOST_VOICE_BYTES} letters."
            raise BadInput("voice_text", "is too long" if text else "is missing", remedy)
        return Voice(sound.decode(path, self._rate, "voice", LONGEST_VOICE_S), text)

    def _speak(
        self, line: str, delivery: Delivery, voice: Voice | None, tell: Callable[[], None]
    ) -> Any:
        """A line as samples."""
        text = f"[S1] {voice.text} {line}" if voice else f"[S1] {line}"
        inputs = self._processor(
            text=[text],
            audio=[voice.samples] if voice else None,
            sampling_rate=self._rate,
            text_kwargs={"padding": False},
            return_tensors="pt",
        ).to(self._device.kind)
        before = self._processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
        codes = self._model.generate(
            **inputs,
            do_sample=True,
            temperature=delivery.temperature,
            guidance_scale=delivery.guidance,
            top_p=TOP_P,
            top_k=TOP_K,
            min_new_tokens=round(SHORTEST_LINE_S * self._frames_per_s),
            max_new_tokens=self._frames(line, before),
            stopping_criteria=[telling(tell)],
        )
        samples = self._processor.decode(codes, audio_prompt_len=before)
        return samples.float().cpu().numpy().reshape(-1)

    def _frames(self, line: str, before: int) -> int:
        """The most frames of a line: as slowly as anybody speaks, or what there is room for."""
        config = self._model.config
        free = config.decoder_config.max_position_embeddings - before - max(config.delay_pattern)
        slowly_s = min(LONGEST_LINE_S, 1.0 + len(line) / LETTERS_PER_S)
        return int(min(free, round(slowly_s * self._frames_per_s)))


def seed_of(seed: int, voice: str) -> int:
    """A seed for a voice: speakers of one seed differ."""
    mixed = hashlib.sha256(json.dumps([seed, voice]).encode()).digest()
    return int.from_bytes(mixed[:6])


def _joined(spoken: list[Any], pause: int) -> Any:
    """Lines one after another with a pause between them."""
    import numpy as np

    silence = np.zeros(pause, np.float32)
    parts = [part for line in spoken for part in (silence, line)]
    return np.concatenate(parts[1:])


def _dtype(device: Device) -> Any:
    """Half precision as its makers run it: their figures are of float16, not of bfloat16."""
    import torch

    return torch.float32 if device.dtype == "float32" else torch.float16


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Speech)


@app.cls(
    image=image,
    gpu="L4",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=300,
    startup_timeout=120,
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """The function on Modal; its snapshot holds the imports, the volume the weights."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes long."""
        import av  # noqa: F401
        import transformers  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights."""
        self.seat = deployment.Seat(Speech)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
