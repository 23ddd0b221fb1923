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

from idiolect.errors import UsageError
from idiolect.models.model import Model, evaluating
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame

Pooling = Literal["cls", "mean", "last"]
"""Which hidden states make the vector: the first position's, the mean of all, or the last position's."""

_TOKENS: Final = 2**14  # positions that are read together


def ids_of(tokenizer: Tokenizer, text: str, encoder: bool) -> list[int]:
    """A text as a model reads it: in its frame, or behind the token that opens a document."""
    ids = tokenizer.encode(text)
    if framed(tokenizer, encoder):
        return tokenizer.framed(ids).ids
    return [tokenizer.end_of_text, *ids]


def framed(tokenizer: Tokenizer, encoder: bool) -> bool:
    """Whether a text is read in the tokenizer's frame."""
    return encoder or tokenizer.frame != Frame()


@torch.no_grad()
def embed(model: Model, tokenizer: Tokenizer, texts: Sequence[str], pooling: Pooling) -> Tensor:
    """One vector for each text (N, D), in fp32 on the CPU.

    Raises:
        UsageError: a text is longer than the model's context, or there is no such pooling.
    """
    if pooling not in ("cls", "mean", "last"):
        raise UsageError(f"There is no pooling '{pooling}': choose cls, mean or last.")
    encoder = model.spec.family == "encoder"
    rows = [ids_of(tokenizer, text, encoder) for text in texts]
    for number, row in enumerate(rows):
        if model.window is not None and len(row) > model.window:
            raise UsageError(
                f"Text {number + 1} is {len(row)} tokens, more than the model's context of {model.window}: cut it."
            )
    vectors_ND = torch.zeros(len(rows), model.spec.dim)
    by_length = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    with evaluating(model):
        while by_length:
            count = 1
            while count < len(by_length) and (count + 1) * len(rows[by_length[count]]) <= _TOKENS:
                count += 1
            batch, by_length = by_length[:count], by_length[count:]
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
    ids_BT = torch.zeros(len(rows), int(lengths_B.max()), dtype=torch.int64, device=device)
    for number, row in enumerate(rows):
        ids_BT[number, : len(row)] = torch.tensor(row, device=device)
    there_BT = torch.arange(ids_BT.shape[1], device=device) < lengths_B[:, None]
    # What fills up a row is a document of its own; who sees the left only does not see it anyway.
    apart = model.spec.family == "encoder" and not bool(there_BT.all())
    return model.hidden(ids_BT, (~there_BT).long() if apart else None), lengths_B
