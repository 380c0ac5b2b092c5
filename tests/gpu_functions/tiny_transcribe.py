"""A tiny Whisper of random numbers that hears two seconds at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpu_functions import sound
from gpu_functions.transcribe import MODEL

WORK_PARAMETERS: dict[str, Any] = {"language": "en"}
RATE = 16000
PIECE_S = 2
LANGUAGES = ("en", "de")
SPECIALS = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def build(folder: Path) -> None:
    import torch
    from transformers import (
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    place = folder / MODEL.folder
    words = [*"abcdefghijklmnopqrstuvwxyz.,", "Ġ", "Ġa", "Ġthe", *SPECIALS]
    tokenizer = WhisperTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIALS,
    )
    tokenizer.add_tokens([f"<|{step * 0.02:.2f}|>" for step in range(PIECE_S * 50 + 1)])
    tokenizer.save_pretrained(place)
    WhisperFeatureExtractor(feature_size=16, chunk_length=PIECE_S).save_pretrained(place)
    known = tokenizer.convert_tokens_to_ids
    torch.manual_seed(11)
    model = WhisperForConditionalGeneration(_config(len(tokenizer), known))
    model.generation_config = _generation(known)
    model.save_pretrained(place)


def _config(words: int, known: Callable[[str], int]) -> Any:
    """A Whisper of a few thousand parameters, for a vocabulary of so many words."""
    from transformers import WhisperConfig

    return WhisperConfig(
        vocab_size=words,
        num_mel_bins=16,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=PIECE_S * 50,
        max_target_positions=32,
        init_std=0.6,
        pad_token_id=known("<|endoftext|>"),
        bos_token_id=known("<|endoftext|>"),
        eos_token_id=known("<|endoftext|>"),
        decoder_start_token_id=known("<|startoftranscript|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def _generation(known: Callable[[str], int]) -> Any:
    """How it writes, in the words that the published models have for it."""
    from transformers import GenerationConfig

    return GenerationConfig(
        max_length=32,
        pad_token_id=known("<|endoftext|>"),
        bos_token_id=known("<|endoftext|>"),
        eos_token_id=known("<|endoftext|>"),
        decoder_start_token_id=known("<|startoftranscript|>"),
        no_timestamps_token_id=known("<|notimestamps|>"),
        prev_sot_token_id=known("<|startofprev|>"),
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": known(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={"transcribe": known("<|transcribe|>"), "translate": known("<|translate|>")},
        alignment_heads=[[0, 0], [1, 1]],
        max_initial_timestamp_index=10,
    )


def a_voice(path: Path, seconds: float = 1.5, pitch_hz: float = 220.0) -> Path:
    """A tone that swells and fades three times a second."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * pitch_hz * time_s) * np.abs(np.sin(np.pi * 3 * time_s))
    sound.encode(path, tone * 0.5, RATE)
    return path


def inputs(folder: Path) -> dict[str, Path]:
    return {"voice": a_voice(folder / "voice.wav")}
