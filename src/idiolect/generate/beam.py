"""Beam search: the likeliest continuations, sought for several at a time. Ids in, ids out.

At each step every continuation in the beam is extended by every token, and the likeliest of all of these are the next
beam. One that ends keeps its place for good, so the beam that goes on grows narrower, and the search is over when all
places are taken. So a beam of 1 is greedy, and one wide enough for all continuations finds the best of all.

A step costs one pass over the weights for the whole beam, and a copy of its cache. The window moves as in `engine`.

Shapes: B continuations in the beam, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from idiolect.errors import UsageError
from idiolect.generate.engine import check_prompt, next_logits
from idiolect.generate.sampling import log_probs
from idiolect.models.model import Model, evaluating


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A continuation and how good it is."""

    ids: tuple[int, ...]
    """A stop id that ended it is the last of them."""
    log_prob: float
    """ln p of all its ids together, given the prompt."""
    score: float
    """`log_prob` divided by the length penalty: what hypotheses are ranked by."""


def beam_search(
    model: Model,
    prompt_ids: Sequence[int],
    *,
    beams: int,
    max_tokens: int,
    nbest: int = 1,
    stop_ids: Collection[int] = (),
    length_penalty: float = 0.6,
) -> list[Hypothesis]:
    """The likeliest continuations that were found, best first.

    They are ranked by ln p / lp, lp = ((5 + length) / 6) ^ length_penalty (Wu et al. 2016, "Google's Neural Machine
    Translation System", section 7), as ln p alone prefers what is short.

    Args:
        model: one that reads from left to right.
        prompt_ids: at least one id; a Transformer reads the last `context` of them.
        beams: how many continuations are kept at each step, 1 or more.
        max_tokens: the most tokens of a continuation, 1 or more: one that is so long has ended.
        nbest: how many to give, from 1 to `beams`.
        stop_ids: a continuation ends with the first of these.
        length_penalty: α, 0 or more; 0: ranked by probability, 1: nearly by probability per token.

    Returns:
        `nbest` of them; fewer only where there are no more.

    Raises:
        UsageError: a number out of range, no prompt, or a model that does not read from left to right.
        ModelError: an id outside the model's vocabulary, or logits that are not numbers.

    Example:
        >>> [best] = beam_search(model, [5, 7], beams=4, max_tokens=3)
        >>> best
        Hypothesis(ids=(9, 2, 4), log_prob=-2.1, score=-1.767...)
    """
    if beams < 1:
        raise UsageError(f"beams must be at least 1, not {beams}.")
    if not 1 <= nbest <= beams:
        raise UsageError(f"nbest must be from 1 to the number of beams ({beams}), not {nbest}.")
    if max_tokens < 1:
        raise UsageError(f"max_tokens must be at least 1, not {max_tokens}.")
    if not 0.0 <= length_penalty < float("inf"):
        raise UsageError(f"length_penalty must be 0 or more, not {length_penalty}.")
    check_prompt(model, prompt_ids)
    with torch.inference_mode(), evaluating(model):
        ended = _search(model, list(prompt_ids), beams, max_tokens, frozenset(stop_ids))
    scored = [Hypothesis(ids, total, total / _penalty(len(ids), length_penalty)) for ids, total in ended]
    return sorted(scored, key=lambda one: -one.score)[:nbest]


Scored = list[tuple[tuple[int, ...], float]]
"""Continuations, each with its log-probability."""


def _penalty(length: int, alpha: float) -> float:
    return float(((5 + length) / 6) ** alpha)


def _search(model: Model, prompt: list[int], beams: int, max_tokens: int, stop_ids: frozenset[int]) -> Scored:
    """At most `beams` continuations that have ended."""
    window = model.window or len(prompt) + max_tokens
    capacity = min(window, len(prompt) + max_tokens)
    ended: Scored = []
    beam: list[tuple[int, ...]] = [()]
    totals_B = torch.zeros(1, dtype=torch.float64, device=next(model.parameters()).device)
    cache = model.new_cache(1, capacity)
    logits_BV = next_logits(model, [prompt[-window:]], cache)
    for length in range(1, max_tokens + 1):
        totals_BV = totals_B[:, None] + log_probs(logits_BV)
        best = totals_BV.flatten().topk(min(beams - len(ended), totals_BV.numel()))
        kept: Scored = []
        parents: list[int] = []
        for place, total in zip(best.indices.tolist(), best.values.tolist()):
            parent, token_id = divmod(place, totals_BV.shape[1])
            ids = (*beam[parent], token_id)
            if token_id in stop_ids or length == max_tokens:
                ended.append((ids, total))
            else:
                kept.append((ids, total))
                parents.append(parent)
        if not kept:
            break
        beam, totals_B = [ids for ids, _ in kept], totals_B.new_tensor([total for _, total in kept])
        if cache.length < window:
            if parents != list(range(len(totals_BV))):  # unless every row goes on in its place
                cache = cache.select(parents)
            logits_BV = next_logits(model, [ids[-1:] for ids in beam], cache)
        else:
            cache = model.new_cache(len(beam), capacity)
            half = max(1, window // 2)
            logits_BV = next_logits(model, [[*prompt, *ids][-half:] for ids in beam], cache)
    return ended
