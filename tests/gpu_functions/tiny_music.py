"""A tiny ACE-Step of random numbers, that makes 800 Hz."""

import json
from pathlib import Path
from typing import Any

from gpu_functions.music import MODEL

WORK_PARAMETERS: dict[str, Any] = {"prompt": "slow piano", "duration": "4.5"}
RATE = 800
# As of the real one: 25 frames are a second.
DOWN = [4, 8]
LATENT = 8


def build(folder: Path) -> None:
    import torch
    from diffusers import (
        AceStepPipeline,
        AceStepTransformer1DModel,
        AutoencoderOobleck,
        FlowMatchEulerDiscreteScheduler,
    )
    from diffusers.pipelines.ace_step import AceStepConditionEncoder
    from transformers import Qwen3Config, Qwen3Model

    torch.manual_seed(2)
    attention = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
    sizes = {"hidden_size": 16, "intermediate_size": 32, **attention}
    encoder = AceStepConditionEncoder(
        text_hidden_dim=16,
        timbre_hidden_dim=LATENT,
        num_lyric_encoder_hidden_layers=1,
        num_timbre_encoder_hidden_layers=1,
        **sizes,
    )
    torch.nn.init.normal_(encoder.silence_latent)
    pipeline = AceStepPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=4,
            downsampling_ratios=DOWN,
            channel_multiples=[1, 2],
            decoder_channels=4,
            decoder_input_channels=LATENT,
            sampling_rate=RATE,
        ),
        text_encoder=Qwen3Model(Qwen3Config(vocab_size=300, num_hidden_layers=1, **sizes)),
        tokenizer=a_tokenizer(),
        transformer=AceStepTransformer1DModel(
            num_hidden_layers=2,
            in_channels=3 * LATENT,
            audio_acoustic_hidden_dim=LATENT,
            is_turbo=True,
            **sizes,
        ),
        condition_encoder=encoder,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipeline.save_pretrained(folder / MODEL.folder)
    # As in the real one, which names two parts for covers that are not fetched.
    index = folder / MODEL.folder / "model_index.json"
    parts = json.loads(index.read_text("utf-8"))
    parts["audio_tokenizer"] = ["ace_step", "AceStepAudioTokenizer"]
    parts["audio_token_detokenizer"] = ["ace_step", "AceStepAudioTokenDetokenizer"]
    index.write_text(json.dumps(parts), "utf-8")


def a_tokenizer() -> Any:
    """One token per byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, "<|endoftext|>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def inputs(folder: Path) -> dict[str, Path]:
    return {}
