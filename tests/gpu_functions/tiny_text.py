"""Tiny random text models: T5 as FLUX and LTX have it, UMT5 as Wan has it, CLIP as FLUX has it."""

import io
import json
import string
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

WIDTH = 32
SENTENCES = ("a man walks over a bridge at night", "snow falls on the red house by the sea")


def t5_tokenizer(folder: Path) -> Any:
    """A tokenizer of letters and a few words, from a SentencePiece file alone in a folder."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=model,
        vocab_size=40,
        hard_vocab_limit=False,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model.getvalue())
    config = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "model_max_length": 128}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return T5Tokenizer.from_pretrained(folder, local_files_only=True)


def t5() -> Any:
    """An encoder of one layer."""
    torch.manual_seed(0)
    return T5EncoderModel(
        T5Config(vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    ).eval()


def umt5() -> Any:
    """An encoder of one layer."""
    torch.manual_seed(0)
    return UMT5EncoderModel(
        UMT5Config(vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    ).eval()


def clip_tokenizer() -> Any:
    """A tokenizer of letters."""
    letters = [*string.ascii_lowercase, *string.punctuation, *string.digits]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocab = {word: index for index, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def clip_text() -> Any:
    """An encoder of one layer."""
    torch.manual_seed(0)
    ids = clip_tokenizer()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(ids),
            bos_token_id=ids.bos_token_id,
            eos_token_id=ids.eos_token_id,
            pad_token_id=ids.pad_token_id,
            hidden_size=WIDTH,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=1,
            projection_dim=WIDTH,
        )
    ).eval()
