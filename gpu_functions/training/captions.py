"""What a LoRA is told of each picture: what the words name stays theirs, the rest it learns."""

from pathlib import Path
from typing import Literal

from filmforge.errors import BadInput, NotConfigured
from gpu_functions.device import Device
from gpu_functions.training.dataset import Picture

Captions = Literal["files", "trigger", "auto"]
Kind = Literal["character", "style"]

PHRASES = {"character": "a picture of {}", "style": "a picture in the style of {}"}
MOST_TOKENS = 30


def captions_of(
    pictures: list[Picture],
    how: Captions,
    kind: Kind,
    trigger: str,
    captioner: Path,
    device: Device,
) -> list[str]:
    """One caption a picture, the trigger in each.

    Raises BadInput naming a picture without the text that `how` wants, NotConfigured when there are
    no weights in the folder of the captioner.
    """
    if how == "trigger":
        return [PHRASES[kind].format(trigger)] * len(pictures)
    if how == "files":
        for picture in pictures:
            if not picture.caption:
                remedy = 'Put a .txt of the same name beside it, or set captions to "trigger".'
                raise BadInput("captions", f"{picture.name} has none", remedy)
        said = [picture.caption for picture in pictures]
    else:
        said = _described(pictures, captioner, device)
    return [text if trigger in text else f"{trigger}, {text}" for text in said]


def _described(pictures: list[Picture], folder: Path, device: Device) -> list[str]:
    """What BLIP sees in each picture."""
    if not folder.is_dir():
        raise NotConfigured(
            f"there is no captioner in {folder}: run filmforge gpu download train_lora, "
            'or set captions to "files" or "trigger"'
        )
    import torch
    from transformers import AutoTokenizer, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    # By class: the automatic choice would ask for torchvision.
    eyes = BlipImageProcessorPil.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    model.to(device.kind).eval()
    said = []
    with torch.inference_mode():
        for picture in pictures:
            seen = eyes(picture.image, return_tensors="pt").to(device.kind)
            tokens = model.generate(**seen, max_new_tokens=MOST_TOKENS, do_sample=False)
            said.append(tokenizer.decode(tokens[0], skip_special_tokens=True).strip())
    return said
