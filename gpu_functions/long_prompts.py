"""Prompts of any length for SDXL.

CLIP reads 75 tokens at a time. A longer prompt is read in pieces whose embeddings follow one
another; the summary of the whole is that of its first piece.
"""

from typing import Any


def encoded(pipeline: Any, prompt: str, negative: str) -> dict[str, Any]:
    """Both prompts as embeddings of one length, by the names that pipelines give them."""
    import torch

    pieces = max(_pieces(pipeline, prompt), _pieces(pipeline, negative))
    with torch.no_grad():
        embeds, pooled = _read(pipeline, prompt, pieces)
        # SDXL was trained with zeros in place of an empty prompt.
        absent = torch.zeros_like(embeds), torch.zeros_like(pooled)
        no_embeds, no_pooled = _read(pipeline, negative, pieces) if negative else absent
    return {
        "prompt_embeds": embeds,
        "pooled_prompt_embeds": pooled,
        "negative_prompt_embeds": no_embeds,
        "negative_pooled_prompt_embeds": no_pooled,
    }


def _pieces(pipeline: Any, text: str) -> int:
    """How many pieces a text takes with the tokenizer that needs more of them."""
    readers = (pipeline.tokenizer, pipeline.tokenizer_2)
    return max(
        -(
            -len(reader(text, add_special_tokens=False, verbose=False).input_ids)
            // (reader.model_max_length - 2)
        )
        or 1
        for reader in readers
    )


def _read(pipeline: Any, text: str, pieces: int) -> tuple[Any, Any]:
    import torch

    both = []
    for reader, encoder in (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        room = reader.model_max_length - 2
        ids = reader(text, add_special_tokens=False, verbose=False).input_ids
        rows = []
        for start in range(0, pieces * room, room):
            row = [reader.bos_token_id, *ids[start : start + room], reader.eos_token_id]
            rows.append(row + [reader.pad_token_id] * (reader.model_max_length - len(row)))
        seen = encoder(
            torch.tensor(rows, device=pipeline._execution_device), output_hidden_states=True
        )
        # The last layer but one, as in training; the pieces one after another.
        both.append(seen.hidden_states[-2].flatten(0, 1)[None])
        pooled = seen[0][:1]
    return torch.cat(both, dim=-1), pooled
