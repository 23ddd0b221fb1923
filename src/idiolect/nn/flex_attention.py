"""Attention block by block: what a mask hides is not computed at all, where it hides whole blocks of positions.

PyTorch's FlexAttention (Dong et al. 2024, "Flex Attention: A Programming Model for Generating Optimized Attention
Kernels") compiles a kernel from the rule that `nn/masks.py` states. Time grows with the blocks in which anything may be
seen: T · window, or the sum of the squares of the documents' lengths, instead of T². Memory grows with T.

The kernel is compiled on the machine of whoever trains, so it is not taken on trust: the first time that one is used,
what it answers and the gradients are compared with those of `scaled_dot_product_attention`, on the data at hand. Where
they differ, or the compiler fails, attention goes by the latter from then on, and one sentence says so. Each shape of
rows has a kernel of its own, some seconds of compiling: kernels for any length have been seen to fail (docs/log.md).

Shapes: B rows, T positions, H query heads, G heads of keys and values, C channels of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from idiolect.journal import say
from idiolect.nn.masks import Rule, Sight

BLOCK = 128
"""Positions of a block, on either side."""
SHAPES = 8
"""Shapes of rows, of B and T, for which a process has kernels. A training has two or three; texts that are scored may
have any number, and those of further shapes go by masks."""


@dataclass(slots=True)
class Trust:
    """What this process knows of its kernels."""

    shapes: set[tuple[int, int]] = field(default_factory=set)
    """The shapes of rows that have been met."""
    kernels: set[tuple[object, ...]] = field(default_factory=set)
    """Those that agreed with the other path."""
    lost: bool = False
    """Whether one did not agree, or was not to be had."""


trust = Trust()


def suits(device: torch.device, rows: int, positions: int, head_dim: int, dtype: torch.dtype) -> bool:
    """Whether these rows are attended by blocks where something is hidden: the one place where it is chosen.

    They are on a GPU, in whole blocks and at least two, if a head's size is a power of two from 16 on, and numbers have
    at most 32 bits. While the whole model is compiled, a kernel could not be compared first, and masks stay.
    """
    return (
        device.type == "cuda"
        and positions >= 2 * BLOCK
        and positions % BLOCK == 0
        and head_dim >= 16
        and head_dim.bit_count() == 1
        and dtype.itemsize <= 4
        and not torch.compiler.is_compiling()
        and not trust.lost
        and (len(trust.shapes) < SHAPES or (rows, positions) in trust.shapes)
    )


def attend(queries_BHTC: Tensor, keys_BGTC: Tensor, values_BGTC: Tensor, sight: Sight) -> Tensor:
    """What `nn.attention.attend` computes, for a sight that is written down by blocks: (B, H, T, C)."""
    assert sight.rule is not None
    kind = values_BGTC.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else values_BGTC.dtype
    given = (queries_BHTC.to(dtype), keys_BGTC.to(dtype), values_BGTC.to(dtype))
    if not trust.lost:
        try:
            _check(given, sight)
            if not trust.lost:
                return _by_blocks(given, sight)
        except torch.OutOfMemoryError:
            raise
        except Exception as fault:  # a compiler fails in as many ways as there are machines
            _lose_trust(f"cannot be compiled here ({type(fault).__name__})")
    return _by_mask(given, sight.rule)


def _by_blocks(given: tuple[Tensor, Tensor, Tensor], sight: Sight) -> Tensor:
    rule = sight.rule
    assert rule is not None

    def penalised(score: Tensor, row: Tensor, head: Tensor, asking: Tensor, asked: Tensor) -> Tensor:
        return score + rule.penalty(head, asking, asked)

    queries_BHTC, keys_BGTC, values_BGTC = given
    # PyTorch gives up at 8 kernels, which a comparison of two models would reach; and under DistributedDataParallel it
    # would cut graphs where gradients are sent, which before 2.13 it cannot do to these.
    with torch._dynamo.config.patch(recompile_limit=256, optimize_ddp=False):
        answers_BHTC: Tensor = _kernel(
            queries_BHTC,
            keys_BGTC,
            values_BGTC,
            score_mod=None if rule.slopes_H is None else penalised,
            block_mask=sight.blocks,
            enable_gqa=queries_BHTC.shape[1] > keys_BGTC.shape[1],
        )
    return answers_BHTC


def _kernel(*given: Tensor, **options: Any) -> Any:
    return _compiled()(*given, **options)


@cache
def _compiled() -> Callable[..., Any]:
    # It brings PyTorch's compiler, a second of time and 90 MB: not for those who have no use for it.
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, fullgraph=True, dynamic=False)


def _by_mask(given: tuple[Tensor, Tensor, Tensor], rule: Rule) -> Tensor:
    queries_BHTC, keys_BGTC, _ = given
    mask = rule.mask(queries_BHTC.shape[2], device=queries_BHTC.device)
    mask = mask.to(queries_BHTC.dtype) if mask.is_floating_point() else mask
    grouped = queries_BHTC.shape[1] > keys_BGTC.shape[1]
    answers_BHTC: Tensor = F.scaled_dot_product_attention(*given, attn_mask=mask, enable_gqa=grouped)
    return answers_BHTC


def _check(given: tuple[Tensor, Tensor, Tensor], sight: Sight) -> None:
    """Compare the two paths, the first time that this kernel is asked for."""
    queries_BHTC, keys_BGTC, _ = given
    rule = sight.rule
    assert rule is not None
    learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    rules = (rule.causal, rule.reach, rule.segments_BT is None, rule.slopes_H is None)
    kernel = (queries_BHTC.dtype, queries_BHTC.shape, keys_BGTC.shape, learns, *rules)
    if kernel in trust.kernels:
        return
    difference = _difference(given, sight, learns)
    if difference <= (5e-3 if queries_BHTC.dtype == torch.float32 else 5e-2):  # NaN is not
        trust.kernels.add(kernel)
        trust.shapes.add((queries_BHTC.shape[0], queries_BHTC.shape[2]))
    else:
        _lose_trust(f"differs from the other path by {difference:.1g} of the largest value here")


def _difference(given: tuple[Tensor, Tensor, Tensor], sight: Sight, learns: bool) -> float:
    """How far answers and gradients are apart at most, as a share of the largest."""
    assert sight.rule is not None
    apart = [tensor.detach().requires_grad_(learns) for tensor in given]
    inputs = (apart[0], apart[1], apart[2])
    found, expected = _by_blocks(inputs, sight), _by_mask(inputs, sight.rule)
    pairs = [(found, expected)]
    if learns:  # the gradients of half the sum of squares; random directions would draw numbers that others are to draw
        both = [torch.autograd.grad(answers, inputs, expected.detach()) for answers in (found, expected)]
        pairs += zip(*both)
    shares = [(ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12) for ours, theirs in pairs]
    return float(torch.stack(shares).detach().max())


def _lose_trust(reason: str) -> None:
    trust.lost = True
    say(f"Attention by blocks {reason}: masks are used instead, which takes longer and changes nothing else.")
