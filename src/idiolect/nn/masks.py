"""What each position may see: all, its left, its own document, a window around it.

A mask is made once for a forward pass and serves every layer that sees alike. It costs T · S numbers, and none where
the kernel of attention knows the rule by itself. For a kernel that works block by block (nn/flex_attention.py) the same
rule is written down as the blocks of positions in which anything may be seen, (T / 128)² numbers.

Shapes: B rows, T positions that ask, S = held + T positions that are asked, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask


@dataclass(frozen=True, slots=True)
class Rule:
    """Which position may look at which, and what distance costs: all forms of a mask are made from this.

    Example:
        >>> place = torch.arange(3)
        >>> Rule(causal=True, reach=1).allows(torch.tensor(0), place[:, None], place).tolist()
        [[True, False, False], [True, True, False], [False, True, True]]
    """

    causal: bool = False
    """Whether a position sees only itself and what is to its left."""
    reach: int | None = None
    """How far it sees, to the left or to either side. None: without limit."""
    segments_BT: Tensor | None = None
    """The document of each position, which sees its own only."""
    starts_B: Tensor | None = None
    """The place where each row begins."""
    slopes_H: Tensor | None = None
    """What each head takes off a score for a step of distance."""

    def allows(self, row: Tensor, asking: Tensor, asked: Tensor) -> Tensor:
        """Whether the place `asking` of a row may look at the place `asked` (bool, the three broadcast together)."""
        distance = asking - asked
        allowed = distance >= 0 if self.causal else torch.ones_like(distance, dtype=torch.bool)
        if self.reach is not None:
            allowed = allowed & (distance.abs() <= self.reach)
        if self.segments_BT is not None:
            allowed = allowed & (self.segments_BT[row, asking] == self.segments_BT[row, asked])
        if self.starts_B is not None:
            allowed = allowed & (asked >= self.starts_B[row])
        return allowed

    def penalty(self, head: Tensor, asking: Tensor, asked: Tensor) -> Tensor:
        """What is added to the scores of a head: never above 0."""
        assert self.slopes_H is not None
        return -self.slopes_H[head] * (asking - asked).abs()

    def mask(self, positions: int, held: int = 0, device: torch.device | None = None) -> Tensor:
        """The rule as one tensor, for `positions` new places behind `held` others: what `Sight.mask` is."""
        places = torch.arange(held + positions, device=device)
        asking_T1, asked_S = places[held:, None], places
        named = self.segments_BT if self.segments_BT is not None else self.starts_B
        row_B111 = torch.arange(1 if named is None else len(named), device=device)[:, None, None, None]
        allowed = self.allows(row_B111, asking_T1, asked_S)
        if self.slopes_H is None:
            return allowed
        head_H11 = torch.arange(len(self.slopes_H), device=device)[:, None, None]
        return self.penalty(head_H11, asking_T1, asked_S).masked_fill(~allowed, float("-inf"))

    def blocks(self, positions: int, device: torch.device | None = None) -> BlockMask:
        """The rule by blocks of places, for `positions` places that look at each other. Penalties are no part of it.

        It holds the whole mask for a moment, a byte for each pair of places.
        """
        # It brings PyTorch's compiler, a second of time and 90 MB that nothing else needs.
        from torch.nn.attention.flex_attention import create_block_mask

        rows = None if self.segments_BT is None else len(self.segments_BT)

        def shown(row: Tensor, head: Tensor, asking: Tensor, asked: Tensor) -> Tensor:
            return self.allows(row, asking, asked)

        return create_block_mask(shown, rows, None, positions, positions, device=device or "cpu")


@dataclass(frozen=True, slots=True)
class Sight:
    """What each asking position may see, for every layer of a forward pass.

    Example:
        >>> sight(3, causal=True).causal
        True
        >>> sight(2, held=1, causal=True).mask.tolist()
        [[True, True, False], [True, True, True]]
    """

    mask: Tensor | None = None
    """True where a position may look, or numbers that are added to the scores, −∞ where it may not; its shape is
    broadcast to (B, H, T, S). None: no position is told apart from another."""
    causal: bool = False
    """Without a mask: whether a position sees only itself and its left (T = S then)."""
    rule: Rule | None = None
    """What `blocks` was made from, in place of a mask."""
    blocks: BlockMask | None = None
    """The blocks of positions in which anything may be seen."""


def sight(
    positions: int,
    *,
    causal: bool,
    held: int = 0,
    segments_BT: Tensor | None = None,
    starts_B: Tensor | None = None,
    window: int = 0,
    slopes_H: Tensor | None = None,
    by_blocks: bool = False,
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
        by_blocks: that whatever hides more than the right side is written down by blocks, in place of a mask.
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
    rule = Rule(causal, reach if limited else None, segments_BT, starts_B, slopes_H)
    if by_blocks and held == 0 and starts_B is None:
        return Sight(rule=rule, blocks=rule.blocks(positions, device))
    return Sight(rule.mask(positions, held, device))


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
