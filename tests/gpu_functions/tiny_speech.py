"""A tiny Dia and a tiny DAC of random numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from gpu_functions import sound
from gpu_functions.speech import CODEC, MODEL

WORK_PARAMETERS: dict[str, Any] = {
    "text": "We leave at dawn.",
    "voice_text": "I know.",
    "mood": "tense",
}
RATE = 44100
# Eight times that of the real codec: eleven frames are a second.
DOWN = (4, 8, 8, 16)
HOP = 4096
FRAMES = 512


def build(folder: Path) -> None:
    import torch
    from transformers import (
        DacConfig,
        DacModel,
        DiaConfig,
        DiaFeatureExtractor,
        DiaForConditionalGeneration,
        DiaTokenizer,
    )

    torch.manual_seed(3)
    DacModel(
        DacConfig(
            encoder_hidden_size=4,
            decoder_hidden_size=32,
            downsampling_ratios=DOWN,
            sampling_rate=RATE,
        )
    ).save_pretrained(folder / CODEC.folder)
    config = DiaConfig(
        encoder_config={
            "num_hidden_layers": 1,
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "intermediate_size": 32,
        },
        decoder_config={
            "num_hidden_layers": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "cross_num_attention_heads": 2,
            "cross_num_key_value_heads": 2,
            "cross_head_dim": 8,
            "cross_hidden_size": 16,
            "max_position_embeddings": FRAMES,
        },
    )
    config.initializer_range = 0.5
    model = DiaForConditionalGeneration(config)
    for name, value in {"bos": 1026, "eos": 1024, "pad": 1025, "decoder_start": 1026}.items():
        setattr(model.generation_config, f"{name}_token_id", value)
    model.save_pretrained(folder / MODEL.folder)
    DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP).save_pretrained(folder / MODEL.folder)
    DiaTokenizer().save_pretrained(folder / MODEL.folder)


def a_voice(path: Path, pitch_hz: float = 200.0, seconds: float = 0.5) -> Path:
    """A tone."""
    tone = np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * RATE)) / RATE)
    sound.encode(path, tone * 0.5, RATE)
    return path


def inputs(folder: Path) -> dict[str, Path]:
    return {"voice": a_voice(folder / "voice.wav")}
