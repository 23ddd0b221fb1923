"""What each position may see: all, its left, its own document, a window around it.

A mask is made once for a forward pass and serves every layer that sees alike. It costs T · S numbers, and none where
the kernel of attention knows the rule by itself.

Shapes: B rows, T positions that ask, S = held + T positions that are asked, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sight:
    """What each asking position may see, for every layer of a forward pass.

    Example:
        >>> sight(3, causal=True)
        Sight(mask=None, causal=True)
        >>> sight(2, held=1, causal=True).mask.tolist()
        [[True, True, False], [True, True, True]]
    """

    mask: Tensor | None = None
    """True where a position may look, or numbers that are added to the scores, −∞ where it may not; its shape is
    broadcast to (B, H, T, S). None: no position is told apart from another."""
    causal: bool = False
    """Without a mask: whether a position sees only itself and its left (T = S then)."""


def sight(
    positions: int,
    *,
    causal: bool,
    held: int = 0,
    segments_BT: Tensor | None = None,
    starts_B: Tensor | None = None,
    window: int = 0,
    slopes_H: Tensor | None = None,
    device: torch.device | None = None,
) -> Sight:
    """What `positions` new positions behind `held` others may see.

    Args:
        positions: how many are new.
        causal: whether a position sees only itself and what is to its left (a decoder), or both sides (an encoder).
        held: positions before the new ones, in a cache.
        segments_BT: documents packed in a row: a position sees its own only. Not with a cache.
        starts_B: the place where each row begins, where a cache holds rows of unequal length.
        window: a decoder's position sees itself and the `window` − 1 before it (Beltagy et al. 2020, section 3.1);
            an encoder's itself and `window` // 2 on either side. 0: no limit.
        slopes_H: each head's penalty for a step of distance (`alibi_slopes`).
        device: where the mask is needed.
    """
    asked = held + positions
    reach = window - 1 if causal else window // 2
    limited = window > 0 and reach < asked - 1
    if segments_BT is None and starts_B is None and slopes_H is None and not limited:
        if not causal or positions == 1:
            return Sight()
        if held == 0:
            return Sight(causal=True)
    places = torch.arange(asked, device=device)
    distance_TS = places[held:, None] - places[None, :]
    allowed = distance_TS >= 0 if causal else torch.ones_like(distance_TS, dtype=torch.bool)
    if limited:
        allowed = allowed & (distance_TS.abs() <= reach)
    if segments_BT is not None:
        allowed = allowed & (segments_BT[:, None, :, None] == segments_BT[:, None, None, :])
    if starts_B is not None:
        allowed = allowed & (places >= starts_B[:, None, None, None])
    if slopes_H is None:
        return Sight(allowed)
    penalty_HTS = -slopes_H[:, None, None] * distance_TS.abs()
    return Sight(penalty_HTS.masked_fill(~allowed, float("-inf")))


def alibi_slopes(heads: int) -> Tensor:
    """Each head's penalty for a step of distance (H,): 2^(−8/n), 2^(−16/n), …, 1/256 for n heads (Press et al. 2022,
    "Train Short, Test Long", section 3).

    Where n is no power of two, the slopes of the power below are followed by every other one of the power above.

    Example:
        >>> alibi_slopes(4).tolist()
        [0.25, 0.0625, 0.015625, 0.00390625]
    """
    below = 2 ** (heads.bit_length() - 1)
    slopes = [2.0 ** (-8 * (head + 1) / below) for head in range(below)]
    between = [2.0 ** (-4 * (head + 1) / below) for head in range(0, 2 * below, 2)]
    return torch.tensor(slopes + between[: heads - below])


def places_in_segments(segments_BT: Tensor) -> Tensor:
    """How far each position is from the beginning of its document in the row (B, T).

    Example:
        >>> places_in_segments(torch.tensor([[0, 0, 1, 1, 1]])).tolist()
        [[0, 1, 0, 1, 2]]
    """
    places_T = torch.arange(segments_BT.shape[1], device=segments_BT.device)
    begins_BT = torch.zeros_like(segments_BT)
    begins_BT[:, 1:] = torch.where(segments_BT[:, 1:] != segments_BT[:, :-1], places_T[1:], 0)
    return places_T - begins_BT.cummax(dim=1).values
