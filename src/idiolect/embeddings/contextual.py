"""Vectors of whole texts: what a model's hidden states say of each, made one vector.

Texts of like length are read together. It costs one forward pass over each text; an encoder's texts may not be longer
than its context, and neither may a decoder's.

Shapes: B rows, T positions, N texts, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import torch
from torch import Tensor

from idiolect.data.batch import filled
from idiolect.data.framing import Framing, together
from idiolect.errors import UsageError
from idiolect.models.model import Model, evaluating
from idiolect.tokenizers.base import Tokenizer

Pooling = Literal["cls", "mean", "last"]
"""Which hidden states make the vector: the first position's, the mean of all, or the last position's."""

_TOKENS: Final = 2**14  # positions that are read together


@torch.no_grad()
def embed(model: Model, tokenizer: Tokenizer, texts: Sequence[str], pooling: Pooling) -> Tensor:
    """One vector for each text (N, D), in fp32 on the CPU.

    Raises:
        UsageError: a text is longer than the model's context, or there is no such pooling.
    """
    if pooling not in ("cls", "mean", "last"):
        raise UsageError(f"There is no pooling '{pooling}': choose cls, mean or last.")
    framing = Framing(tokenizer, encoder=model.spec.family == "encoder")
    rows = [framing.put(tokenizer.encode(text)).ids for text in texts]
    for number, row in enumerate(rows):
        if model.window is not None and len(row) > model.window:
            raise UsageError(
                f"Text {number + 1} is {len(row)} tokens, more than the model's context of {model.window}: cut it."
            )
    vectors_ND = torch.zeros(len(rows), model.spec.dim)
    with evaluating(model):
        for batch in together([len(row) for row in rows], _TOKENS):
            vectors_ND[batch] = _pooled(model, [rows[number] for number in batch], pooling).float().cpu()
    return vectors_ND


def _pooled(model: Model, rows: Sequence[Sequence[int]], pooling: Pooling) -> Tensor:
    """(B, D) of rows of ids, filled up to the longest."""
    hidden_BTD, lengths_B = hidden_of(model, rows)
    match pooling:
        case "cls":
            return hidden_BTD[:, 0]
        case "last":
            return hidden_BTD[torch.arange(len(rows), device=lengths_B.device), lengths_B - 1]
        case "mean":
            there_BT = torch.arange(hidden_BTD.shape[1], device=lengths_B.device) < lengths_B[:, None]
            return (hidden_BTD * there_BT[..., None]).sum(dim=1) / lengths_B[:, None]


def hidden_of(model: Model, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Hidden states (B, T, D) of rows of ids, filled up to the longest, and the lengths (B) of the rows."""
    device = next(model.parameters()).device
    lengths_B = torch.tensor([len(row) for row in rows], device=device)
    ids_BT = filled(rows, 0).to(device)
    there_BT = torch.arange(ids_BT.shape[1], device=device) < lengths_B[:, None]
    # What fills up a row is a document of its own; who sees the left only does not see it anyway.
    apart = model.spec.family == "encoder" and not bool(there_BT.all())
    return model.hidden(ids_BT, (~there_BT).long() if apart else None), lengths_B
