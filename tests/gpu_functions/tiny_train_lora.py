"""A tiny random SDXL and captioner, and pictures to learn from, as train_lora.py has them."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

WORK_PARAMETERS: dict[str, Any] = {
    "name": "mara",
    "kind": "character",
    "trigger": "mara",
    "licence": "all rights reserved",
    "resolution": 256,
    "steps": 6,
    "rank": 4,
    "learning_rate": 0.001,
    "checkpoint_every": 2,
    "sample_every": 3,
}
WORDS = "abcdefghijklmnopqrstuvwxyz,.-"


def build(folder: Path) -> None:
    """Write the weights of an SDXL that draws nothing, and of a captioner that says nothing."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        _sdxl().save_pretrained(folder / "base", variant="fp16", safe_serialization=True)
        build_captioner(folder / "captioner")


def inputs(folder: Path) -> dict[str, Path]:
    """Ten pictures in a zip file, with captions."""
    return {"dataset": a_dataset(folder / "dataset.zip", [a_scene(seed) for seed in range(10)])}


def a_scene(seed: int, size: tuple[int, int] = (300, 280)) -> Image.Image:
    """A picture of shapes; another seed gives another one."""
    dice = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(dice.integers(0, 255, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        left, top = (int(dice.integers(0, side)) for side in size)
        wide, high = (int(number) for number in dice.integers(30, 160, 2))
        colour = tuple(dice.integers(0, 255, 3).tolist())
        draw.ellipse((left - wide // 2, top - high // 2, left + wide, top + high), fill=colour)
    return picture


def a_dataset(
    path: Path, pictures: list[Image.Image], captions: bool = True, **more: bytes
) -> Path:
    """A zip file of pictures with captions beside them; `more` are files by name."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, picture in enumerate(pictures):
            part = path.with_name("part.png")
            picture.save(part)
            archive.write(part, f"set/picture-{number:02}.png")
            if captions:
                archive.writestr(f"set/picture-{number:02}.txt", f"shapes, number {number}\n")
        for name, body in more.items():
            archive.writestr(name.replace("__", "."), body)
    return path


def _sdxl() -> Any:
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )

    unet = UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=6 * 8 + 32,
        cross_attention_dim=64,
    )
    # As the real one: four times halved in width, so that a picture of 256 has latents of 32.
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=256,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    )
    encoder, encoder_2 = _encoders()
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=encoder,
        text_encoder_2=encoder_2,
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    )


def _encoders() -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=2 * len(WORDS) + 2,
        hidden_size=32,
        projection_dim=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=3,
        max_position_embeddings=77,
        bos_token_id=2 * len(WORDS),
        eos_token_id=2 * len(WORDS) + 1,
        pad_token_id=2 * len(WORDS) + 1,
    )
    return CLIPTextModel(config), CLIPTextModelWithProjection(config)


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [*WORDS, *(f"{letter}</w>" for letter in WORDS)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def build_captioner(folder: Path) -> None:
    """Write the weights of a captioner that says nothing."""
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    words = [
        *special,
        *["red", "green", "blue", "door", "tower", "sea", "boat", "man", "woman", "street"],
    ]
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bos_token_id": special.index("[DEC]"),
        "sep_token_id": special.index("[SEP]"),
        "eos_token_id": special.index("[SEP]"),
        "pad_token_id": special.index("[PAD]"),
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    }
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=16)
    BlipForConditionalGeneration(config).save_pretrained(folder)
