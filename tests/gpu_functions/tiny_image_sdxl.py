"""Weights of image_sdxl with a few thousand numbers in each network, where the real ones lie."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from gpu_functions.image_sdxl import ADAPTER
from tests.gpu_functions.stage import a_picture

WORK_PARAMETERS = {
    "prompt": "a lighthouse at dusk",
    "negative_prompt": "blurred",
    "width": 64,
    "height": 64,
    "steps": 3,
    "controls": {"depth": {"weight": 0.7}},
}

UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "block_out_channels": (32, 64),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "transformer_layers_per_block": (1, 2),
    "projection_class_embeddings_input_dim": 6 * 8 + 32,
    "cross_attention_dim": 64,
    "norm_num_groups": 8,
}


def build(folder: Path) -> None:
    """Write everything that image_sdxl can load."""
    torch.manual_seed(0)
    build_base(folder / "base")
    build_controlnet(folder / "controlnet")
    build_ip_adapter(folder / "ip_adapter")
    build_drawing(folder)


def inputs(folder: Path) -> dict[str, Path]:
    """Files for WORK_PARAMETERS."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"depth": a_picture(folder / "depth.png")}


def build_base(folder: Path) -> None:
    """SDXL's five parts, in files of 16 bits like the real ones."""
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    text = CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
        max_position_embeddings=77,
        bos_token_id=_vocabulary()["<|startoftext|>"],
        eos_token_id=_vocabulary()["<|endoftext|>"],
    )
    pipeline = StableDiffusionXLPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=512,
            scaling_factor=0.13025,
        ),
        text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text),
        tokenizer=_tokenizer(folder / "tokenizer"),
        tokenizer_2=_tokenizer(folder / "tokenizer_2"),
        unet=UNet2DConditionModel(up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **UNET),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
        add_watermarker=False,
    )
    pipeline.to(dtype=torch.float16).save_pretrained(folder, variant="fp16")


def build_controlnet(folder: Path) -> None:
    """A union ControlNet whose last layers are not zero, as they are before training."""
    from diffusers import ControlNetUnionModel

    net = ControlNetUnionModel(
        conditioning_embedding_out_channels=(4, 8, 8, 8),
        num_control_type=6,
        num_trans_channel=32,
        num_trans_head=2,
        num_proj_channel=32,
        **{name: value for name, value in UNET.items() if name != "sample_size"},
    )
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("weight") and not parameter.any():
                parameter.normal_(std=0.2)
            if name.startswith("controlnet_cond_embedding") and name.endswith("weight"):
                parameter.mul_(5)
    net.save_pretrained(folder)


def build_ip_adapter(folder: Path) -> None:
    """An IP-Adapter of the "plus" kind under the names that its publisher gives the tensors."""
    from diffusers.models.embeddings import IPAdapterPlusImageProjection
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    hidden, wide = 64, UNET["cross_attention_dim"]
    encoder = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
        image_size=32,
        patch_size=8,
    )
    CLIPVisionModelWithProjection(encoder).save_pretrained(folder / "models" / "image_encoder")
    projection = IPAdapterPlusImageProjection(32, wide, hidden, heads=1, num_queries=4)
    tensors = {f"image_proj.{_published(n)}": t for n, t in _of_one_kv(projection.state_dict())}
    # One down block with two layers of two, the middle of two, one up block with three of two;
    # each transformer block has a self attention, which is left out, and a cross attention.
    for index in range(1, 2 * (4 + 2 + 6), 2):
        for side in ("k", "v"):
            key = f"ip_adapter.{index}.to_{side}_ip.weight"
            tensors[key] = torch.randn(UNET["block_out_channels"][-1], wide)
    (folder / "sdxl_models").mkdir(parents=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        folder / "sdxl_models" / ADAPTER,
    )


def build_drawing(folder: Path) -> None:
    """The networks that draw control pictures."""
    torch.manual_seed(0)
    _build_depth(folder / "depth")
    _build_segmentation(folder / "segmentation")
    _build_people(folder / "people")
    _build_pose(folder / "pose")


def build_lora(path: Path, seed: int, *, text: bool = False) -> Path:
    """A LoRA of the tiny UNet, and of its first text encoder if so wished."""
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **UNET)
    layers = ["to_k", "to_q", "to_v", "to_out.0"]
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=layers, init_lora_weights=False))
    of_text = None
    if text:
        config = CLIPTextConfig(
            hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4
        )
        encoder = CLIPTextModel(config)
        layers = ["q_proj", "k_proj", "v_proj", "out_proj"]
        encoder.add_adapter(
            LoraConfig(r=4, lora_alpha=4, target_modules=layers, init_lora_weights=False)
        )
        of_text = convert_state_dict_to_diffusers(get_peft_model_state_dict(encoder))
    StableDiffusionXLPipeline.save_lora_weights(
        path.parent,
        unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(unet)),
        text_encoder_lora_layers=of_text,
        weight_name=path.name,
    )
    return path


def a_mask(path: Path, box: Sequence[int], size: tuple[int, int] = (64, 64)) -> Path:
    """A mask that is white in a box (left, top, right, bottom)."""
    mask = Image.new("L", size)
    mask.paste(255, tuple(box))
    mask.save(path)
    return path


def _vocabulary() -> dict[str, int]:
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    return {
        word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])
    }


def _tokenizer(folder: Path) -> object:
    """CLIP's tokenizer without merges: every letter is a token."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(_vocabulary()), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77}), "utf-8")
    return CLIPTokenizer.from_pretrained(folder)


def _of_one_kv(tensors: dict[str, torch.Tensor]) -> list[tuple[str, torch.Tensor]]:
    """Keys and values in one tensor, as they are published."""
    joined = []
    for name, tensor in tensors.items():
        if "to_k" in name:
            values = tensors[name.replace("to_k", "to_v")]
            joined.append((name.replace("to_k", "to_kv"), torch.cat([tensor, values])))
        elif "to_v" not in name:
            joined.append((name, tensor))
    return joined


def _published(name: str) -> str:
    """The publisher's name of a tensor of IPAdapterPlusImageProjection."""
    for ours, theirs in (
        ("attn.", "0."),
        ("to_out.0", "to_out"),
        ("ln0", "0.norm1"),
        ("ln1", "0.norm2"),
        ("ff.0.", "1.0."),
        ("ff.1.net.0.proj", "1.1"),
        ("ff.1.net.2", "1.3"),
    ):
        name = name.replace(ours, theirs)
    return name


def _build_depth(folder: Path) -> None:
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessorPil,
    )

    eyes = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=eyes,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
    )
    net = DepthAnythingForDepthEstimation(config)
    with torch.no_grad():  # above zero, where its last layer does not cut off
        net.head.conv3.bias.fill_(5.0)
        net.head.conv3.weight.mul_(50)
    net.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    ).save_pretrained(folder)


def _build_segmentation(folder: Path) -> None:
    from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessorPil

    config = EomtConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_blocks=1,
        num_attention_heads=2,
        image_size=64,
        patch_size=16,
        num_queries=8,
        num_labels=150,
        initializer_range=0.5,
    )
    EomtForUniversalSegmentation(config).save_pretrained(folder)
    EomtImageProcessorPil(
        size={"shortest_edge": 64, "longest_edge": 64}, do_split_image=False, do_pad=True
    ).save_pretrained(folder)


def _build_people(folder: Path) -> None:
    from transformers import (
        RTDetrConfig,
        RTDetrForObjectDetection,
        RTDetrImageProcessorPil,
        RTDetrResNetConfig,
    )

    eyes = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=eyes,
        encoder_hidden_dim=16,
        encoder_in_channels=[16, 24, 32],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=3,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        num_denoising=0,
        id2label={0: "person", 1: "lighthouse"},
    )
    net = RTDetrForObjectDetection(config)
    with torch.no_grad():  # it takes everything for people
        for head in net.model.decoder.class_embed:
            head.bias[0] = 5.0
    net.save_pretrained(folder)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)


def _build_pose(folder: Path) -> None:
    from transformers import (
        VitPoseBackboneConfig,
        VitPoseConfig,
        VitPoseForPoseEstimation,
        VitPoseImageProcessorPil,
    )

    eyes = VitPoseBackboneConfig(
        image_size=(64, 48),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        out_indices=[2],
        initializer_range=0.5,
    )
    config = VitPoseConfig(
        backbone_config=eyes,
        num_labels=17,
        scale_factor=4,
        use_simple_decoder=True,
        initializer_range=0.5,
    )
    net = VitPoseForPoseEstimation(config)
    with torch.no_grad():  # every joint is seen somewhere
        net.head.conv.bias.fill_(1.0)
    net.save_pretrained(folder)
    VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(folder)
