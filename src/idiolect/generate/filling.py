"""What stood at the masks of a text: an encoder's likeliest tokens, each with its probability.

Shapes: M masks, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from idiolect.errors import UsageError
from idiolect.models.model import Model, evaluating
from idiolect.tokenizers.base import Tokenizer

Filled = list[tuple[str, float]]
"""Tokens as text, likeliest first, each with its probability."""


def fill(model: Model, tokenizer: Tokenizer, text: str, k: int) -> list[Filled]:
    """For each mask of a text, in order, the `k` likeliest tokens.

    Every mask is judged while the others are masked too.

    Raises:
        UsageError: the model is no encoder, the text has no mask or is too long, or `k` is below 1.
    """
    if model.spec.family != "encoder":
        raise UsageError(
            f"A model of kind {model.spec.family} reads from left to right and cannot fill masks: let it complete."
        )
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}.")
    name, mask = tokenizer.roles.get("mask", ""), tokenizer.role("mask")
    ids = tokenizer.framed(tokenizer.encode(text, allowed_special=[name])).ids
    if mask not in ids:
        raise UsageError(f"There is nothing to fill: put {name} into the text where a token is wanted.")
    best = likeliest(model, tokenizer, ids, k)
    return [[(tokenizer.token_bytes(i).decode("utf-8", errors="replace"), p) for i, p in found] for found in best]


@torch.no_grad()
def likeliest(model: Model, tokenizer: Tokenizer, ids: Sequence[int], k: int) -> list[list[tuple[int, float]]]:
    """For each mask among ids that are framed already, the `k` likeliest ids with their probabilities."""
    places = [place for place, token_id in enumerate(ids) if token_id == tokenizer.role("mask")]
    with evaluating(model):
        logits_MV = model(torch.tensor([ids], device=next(model.parameters()).device))[0, places].float()
    best = logits_MV[:, : tokenizer.vocab_size].softmax(dim=-1).topk(min(k, tokenizer.vocab_size), dim=-1)
    return [list(zip(*found)) for found in zip(best.indices.tolist(), best.values.tolist())]
