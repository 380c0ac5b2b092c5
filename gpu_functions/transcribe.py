"""Transcribe: what is said in a sound or a video, word by word, with times.

Whisper (Radford et al. 2022, MIT) in its version "large v3 turbo", by transformers: 99 languages,
and of every word the moment it begins and ends, from where the decoder looks in the sound when it
writes the word (dynamic time warping over its cross-attention): near enough for subtitles, and for
checking that a line was spoken as written.

It hears half a minute at once. A longer sound is cut where it is quietest in the last third of
each half minute, so that hardly a word is cut, and each piece that was heard is a checkpoint. They
are heard one by one: transformers 5.23 confuses the lengths of pieces in one batch when it looks
for the times of words.

On an L4 an hour of sound takes some five minutes, about 0.1 USD, a line of dialogue a second, and
loading half a minute: estimates, not measurements.
Weights: openai/whisper-large-v3-turbo, MIT, 1.6 GB.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import modal

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, sound, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.generation import seeded, telling
from gpu_functions.maker import Made, Room
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-transcribe")
image = deployment.image_of("torch==2.13.0", "transformers==5.23.0", "av==18.1.0", "numpy==2.4.6")

MODEL = Repo(
    "openai/whisper-large-v3-turbo",
    revision="41f01f3fe87f28c78e2fbf8b568835947dd65ed9",
    licence="MIT",
    folder="whisper",
    files=("*.json", "merges.txt", "model.safetensors"),
)
SOURCE = Source(repos=(MODEL,), gib=1.6)

# 809 million parameters (its model card). A piece of half a minute with the attention of all
# layers, which the times are read from: our estimate.
PARAMETERS = 809e6
PIECE_GIB = 0.5
# A cut is sought in the last third of a piece, where the sound is weakest for so long.
CUT_FROM = 2 / 3
QUIET_S = 0.2
# Subtitles: a sentence ends a segment, and so does silence, or when it has become long to read.
PAUSE_S = 0.8
LONGEST_SEGMENT_S = 7.0
# A token that is half a letter decodes to this; a letter has four bytes at most.
UNFINISHED = "\ufffd"
LONGEST_LETTER = 4
MARK = re.compile(r"(<\|[^|]*\|>)*")
UNSPACED = ("zh", "ja", "th", "lo", "my", "yue")
# How to be careful about silence and noise: the values of the model's card. Where the words repeat
# themselves or are too unlikely, it tries again and chooses among more words.
CAREFUL = {
    "return_timestamps": True,
    "condition_on_prev_tokens": False,
    "compression_ratio_threshold": 1.35,
    "logprob_threshold": -1.0,
    "no_speech_threshold": 0.6,
    "temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
}
# The last three are those of Chinese and Japanese.
SENTENCE_ENDS = (".", "!", "?", "…", "\u3002", "\uff01", "\uff1f")


class Wish(wishes.Wish):
    """`language` is a code, as "en"; without it Whisper hears for itself which it is."""

    language: str | None = None


class Word(TypedDict):
    """A word, with the space before it that its language writes, and its seconds."""

    word: str
    start_s: float
    end_s: float


# Cutting first: then the work is a list of pieces, each with the second it begins at.
def pieces_of(samples: Any, rate: int, longest_s: float) -> list[tuple[float, Any]]:
    """A sound in pieces of at most `longest_s`, each with its beginning in seconds."""
    longest, begin, pieces = round(longest_s * rate), 0, []
    while len(samples) - begin > longest:
        cut = begin + _quietest(samples[begin : begin + longest], rate)
        pieces.append((begin / rate, samples[begin:cut]))
        begin = cut
    return [*pieces, (begin / rate, samples[begin:])]


def _quietest(piece: Any, rate: int) -> int:
    """The middle of the weakest moment in the last part of a piece."""
    import numpy as np

    first, width = round(len(piece) * CUT_FROM), round(QUIET_S * rate)
    power = np.concatenate(([0.0], np.cumsum(np.square(piece[first:], dtype=np.float64))))
    return first + int(np.argmin(power[width:] - power[:-width])) + width // 2


# Whisper writes tokens: parts of words, seldom parts of letters. The time of a token is where the
# next one begins. A token that begins with a space begins a word, but in languages that are written
# without spaces.
def words_of(
    tokens: list[int], times: list[float], text_of: Callable[[list[int]], str], spaced: bool
) -> list[tuple[str, float, float]]:
    """The words of a segment with the seconds in which they begin and end; marks are left out."""
    words: list[tuple[str, float, float]] = []
    part: list[int] = []
    begin = 0.0
    for index, token in enumerate(tokens):
        if not part:
            begin = times[max(0, index - 1)]
        part.append(token)
        text = text_of(part)
        if UNFINISHED in text and len(part) < LONGEST_LETTER:
            continue
        part = []
        if MARK.fullmatch(text):
            continue
        goes_on = words and (not text[0].isalnum() if not spaced else not text.startswith(" "))
        if goes_on:
            before, first, _ = words.pop()
            words.append((before + text, first, times[index]))
        else:
            words.append((text, begin, times[index]))
    return words


# Then the words are put together to what is read at once.
def segments_of(words: list[Word]) -> list[dict[str, Any]]:
    """Words as segments for subtitles: text, start_s, end_s."""
    segments: list[list[Word]] = []
    for word in words:
        if not segments or _ends(segments[-1], word):
            segments.append([])
        segments[-1].append(word)
    return [
        {
            "text": "".join(word["word"] for word in segment).strip(),
            "start_s": segment[0]["start_s"],
            "end_s": segment[-1]["end_s"],
        }
        for segment in segments
    ]


def _ends(segment: list[Word], word: Word) -> bool:
    last = segment[-1]
    return (
        last["word"].rstrip().endswith(SENTENCE_ENDS)
        or word["start_s"] - last["end_s"] > PAUSE_S
        or word["end_s"] - segment[0]["start_s"] > LONGEST_SEGMENT_S
    )


class Transcribe:
    """Hears a `voice`, or the sound of a `clip`; the output is JSON.

    {"text", "language", "duration_s", "words": [{"word", "start_s", "end_s"}], "segments":
    [{"text", "start_s", "end_s"}]}; a word has the space before it that its language writes.
    """

    name: ClassVar[str] = "transcribe"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = False

    def __init__(self, weights: Path, device: Device) -> None:
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        self._device = device
        folder = weights / MODEL.folder
        processor = WhisperProcessor.from_pretrained(folder, local_files_only=True)
        self._hears, self._tokenizer = processor.feature_extractor, processor.tokenizer
        self._model = WhisperForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, dtype=device.torch_dtype, attn_implementation="sdpa"
        ).to(device.kind)
        known = self._model.generation_config.lang_to_id
        self._languages: dict[int, str] = {
            number: token.strip("<|>") for token, number in known.items()
        }

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The network and a piece; a longer sound takes longer, not more memory."""
        numbers = device.number_bytes
        return PARAMETERS * numbers / GIB + PIECE_GIB

    def make(self, work: Work, room: Room) -> Made:
        """Write down what is said; the facts are language, duration and number of words."""
        wish = wishes.read(Wish, work)
        if wish.language is not None and wish.language not in self._languages.values():
            known = ", ".join(sorted(self._languages.values()))
            raise BadInput("language", f"{wish.language!r} is not known", f"Use one of: {known}.")
        role = "voice" if "voice" in room.inputs else "clip"
        rate = self._hears.sampling_rate
        samples = sound.decode(room.input(role), rate, role)
        pieces = pieces_of(samples, rate, self._hears.chunk_length)
        heard = self._hear_all(pieces, wish.language, room)
        words = [word for piece in heard for word in piece["words"]]
        told = {
            "text": "".join(word["word"] for word in words).strip(),
            "language": wish.language or _most(heard),
            "duration_s": round(len(samples) / rate, 3),
            "words": words,
            "segments": segments_of(words),
        }
        path = room.folder / "transcript.json"
        path.write_text(json.dumps(told, ensure_ascii=False, indent=1), "utf-8")
        facts = {"language": told["language"], "duration_s": told["duration_s"]}
        return Made(path, "application/json", {**facts, "words": len(words)})

    def close(self) -> None:
        """Give the memory back."""
        del self._model
        self._device.forget()

    def _hear_all(
        self, pieces: list[tuple[float, Any]], language: str | None, room: Room
    ) -> list[dict[str, Any]]:
        """What is heard in each piece; one that was heard before is not heard again."""
        heard = []
        for index, (begin_s, samples) in enumerate(pieces):
            share = index / len(pieces)
            room.tell(share)
            name = f"heard-{index}"
            path = room.folder / name
            if not room.checkpoints.load(name, path):
                segments = self._hear(samples, language, partial(room.tell, share))
                piece = self._timed(segments, begin_s, len(samples) / self._hears.sampling_rate)
                path.write_text(json.dumps(piece), "utf-8")
                room.checkpoints.save(name, path)
            heard.append(json.loads(path.read_text("utf-8")))
        return heard

    def _hear(
        self, samples: Any, language: str | None, tell: Callable[[], None]
    ) -> list[dict[str, Any]]:
        """The segments that Whisper makes of a piece: tokens, and the times of tokens."""
        features = self._hears(
            samples,
            sampling_rate=self._hears.sampling_rate,
            return_attention_mask=True,
            return_tensors="pt",
        )
        with seeded(0):
            answer = self._model.generate(
                features["input_features"].to(self._device.kind, self._device.torch_dtype),
                attention_mask=features["attention_mask"].to(self._device.kind),
                language=language,
                return_token_timestamps=True,
                return_segments=True,
                stopping_criteria=[telling(tell)],
                **CAREFUL,
            )
        return list(answer["segments"][0])

    def _timed(
        self, segments: list[dict[str, Any]], begin_s: float, length_s: float
    ) -> dict[str, Any]:
        """Words in seconds of the whole sound; what it writes for the silence after is dropped."""
        language = self._language(segments)
        words: list[Word] = []
        for segment in segments:
            tokens, times = segment["tokens"].tolist(), segment["token_timestamps"].tolist()
            found = words_of(tokens, times, self._text, language not in UNSPACED)
            for word, start, end in found:
                if start < length_s:
                    start_s, end_s = begin_s + start, begin_s + min(end, length_s)
                    words.append(Word(word=word, start_s=round(start_s, 2), end_s=round(end_s, 2)))
        return {"words": words, "language": language}

    def _text(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    def _language(self, segments: list[dict[str, Any]]) -> str | None:
        """The language that Whisper began with; None where it heard nobody speak."""
        if not segments:
            return None
        begun = segments[0]["result"]["sequences"].tolist()
        known = (self._languages[token] for token in begun if token in self._languages)
        return next(known, None)


def _most(heard: list[dict[str, Any]]) -> str | None:
    """The language that most words are in; None where nothing is said."""
    count: dict[str, int] = {}
    for piece in heard:
        if piece["language"]:
            count[piece["language"]] = count.get(piece["language"], 0) + len(piece["words"])
    return max(count, key=lambda language: count[language]) if count else None


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Transcribe)


@app.cls(
    image=image,
    gpu="L4",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=1200,
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
        self.seat = deployment.Seat(Transcribe)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
