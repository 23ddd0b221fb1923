"""From logits to one chosen id: what may be chosen (`filter_logits`), then the choice (`choose`).

Both are pure functions of their arguments and the random generators handed in. The filters work in this order:
repetition penalty, temperature, top-k, top-p, min-p; each sees only what the ones before it left. Cost: a few passes
over the logits; top-p sorts them.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy
import torch
from torch import Tensor

from idiolect.errors import ModelError, UsageError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn from the model's distribution. The defaults shorten nothing but the temperature.

    Example:
        >>> Sampling(temperature=0)          # greedy: always the likeliest token
        >>> Sampling(temperature=1.0, top_p=0.95)
    """

    temperature: float = 0.8
    """Divides the logits: 1 is the model's own distribution, less is safer, more is wilder, 0 takes the likeliest token
    (of equals, the lowest id)."""
    top_k: int = 0
    """Only the k likeliest tokens, and those equal to the k-th (Fan et al. 2018, story generation); 0: all."""
    top_p: float = 1.0
    """Only the smallest set of likeliest tokens whose probability reaches p, never fewer than one (nucleus sampling,
    Holtzman et al. 2020, §3.1); 1: all."""
    min_p: float = 0.0
    """Only tokens at least this many times as likely as the likeliest (Nguyen et al. 2024, §3); 0: all."""
    repetition_penalty: float = 1.0
    """Above 1, makes tokens that have occurred, in the prompt or since, less likely: positive logits are divided by it,
    negative ones multiplied (Keskar et al. 2019, §4.1, and as Hugging Face does for negative logits); 1: none."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range; not-a-number is always out of range."""
        if not 0.0 <= self.temperature < math.inf:
            raise UsageError(f"temperature must be 0 or more, not {self.temperature}.")
        if self.top_k < 0:
            raise UsageError(f"top_k must be 0 (all tokens) or more, not {self.top_k}.")
        if not 0.0 < self.top_p <= 1.0:
            raise UsageError(f"top_p must be above 0 and at most 1, not {self.top_p}.")
        if not 0.0 <= self.min_p <= 1.0:
            raise UsageError(f"min_p must be between 0 and 1, not {self.min_p}.")
        if not 0.0 < self.repetition_penalty < math.inf:
            raise UsageError(f"repetition_penalty must be above 0, not {self.repetition_penalty}.")


class SamplingOptions(TypedDict, total=False):
    """The fields of `Sampling` as keyword arguments, for functions that pass them on."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float


def filter_logits(logits_BV: Tensor, sampling: Sampling, seen_BV: Tensor) -> Tensor:
    """The logits (B, V; float32) of the distribution to draw from: −inf where a token may not be chosen.

    Args:
        logits_BV: the model's logits, of any floating type; left as they are.
        sampling: which filters, and how strong.
        seen_BV: bool, true for each token that has occurred in a row; only the repetition penalty reads it.
    """
    logits_BV = logits_BV.float()
    if sampling.repetition_penalty != 1.0:
        penalty = sampling.repetition_penalty
        lessened_BV = torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
        logits_BV = torch.where(seen_BV, lessened_BV, logits_BV)

    best_B1, best_id_B1 = logits_BV.max(dim=-1, keepdim=True)  # the first of equals
    if sampling.temperature == 0:
        return torch.full_like(logits_BV, -math.inf).scatter(-1, best_id_B1, best_B1)
    # Less the best, so that a tiny temperature sends the others to −inf rather than the best to +inf.
    logits_BV = (logits_BV - best_B1) / sampling.temperature

    if 0 < sampling.top_k < logits_BV.shape[-1]:
        kth_B1 = logits_BV.topk(sampling.top_k).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < kth_B1, -math.inf)
    if sampling.top_p < 1.0:
        sorted_BV, order_BV = logits_BV.sort(descending=True, stable=True)
        share_BV = sorted_BV.double().softmax(dim=-1)
        before_BV = share_BV.cumsum(dim=-1) - share_BV  # the probability of all likelier tokens: 0 for the first
        dropped_BV = torch.empty_like(order_BV, dtype=torch.bool).scatter(-1, order_BV, before_BV >= sampling.top_p)
        logits_BV = logits_BV.masked_fill(dropped_BV, -math.inf)
    if sampling.min_p > 0.0:
        # The likeliest is at 0 here; p ≥ min_p · p_best, in logarithms.
        logits_BV = logits_BV.masked_fill(logits_BV < math.log(sampling.min_p), -math.inf)
    return logits_BV


def choose(logits_BV: Tensor, generators: Sequence[numpy.random.Generator]) -> Tensor:
    """Draw one id for each row (B; int64) from softmax(logits), by inverting the cumulative distribution.

    Each row takes one number from its own generator, so what a row draws does not depend on the rows beside it, nor on
    the device.

    Args:
        logits_BV: what `filter_logits` gave.
        generators: one for each row, as `sample_generator` makes them.

    Raises:
        ModelError: a row has no distribution (its logits are not numbers), as after training that diverged.
    """
    mass_BV = logits_BV.double().softmax(dim=-1).cumsum(dim=-1)
    total_B1 = mass_BV[:, -1:]
    _check_finite(total_B1)
    uniform_B1 = torch.tensor([[generator.random()] for generator in generators], dtype=torch.float64)
    point_B1 = uniform_B1.to(mass_BV.device) * total_B1  # less than the total: random() is at most 1 − 2^−53
    # The first token whose mass goes beyond the point: one of probability 0 is never the first.
    return torch.searchsorted(mass_BV, point_B1, right=True)[:, 0]


def log_probs(logits: Tensor) -> Tensor:
    """ln softmax over the last dimension, float64, for what adds probabilities up.

    Raises:
        ModelError: the logits are not numbers, as after training that diverged.
    """
    result = logits.double().log_softmax(dim=-1)
    _check_finite(result.amax(dim=-1))
    return result


def _check_finite(numbers: Tensor) -> None:
    if not bool(numbers.isfinite().all()):
        raise ModelError("The model's output is not a number: its weights are damaged, or its training diverged.")


def sample_generator(seed: int, sample: int) -> numpy.random.Generator:
    """The source of random numbers of one sample of a request: a pure function of (seed, sample).

    NumPy's seeding mixes both numbers whole; torch's generator on the CPU keeps 32 bits of its seed, too few for
    thousands of samples to stay distinct.

    Raises:
        UsageError: one of them is negative.
    """
    if seed < 0:
        raise UsageError(f"seed must be 0 or more, not {seed}.")
    if sample < 0:
        raise UsageError(f"sample must be 0 or more, not {sample}.")
    return numpy.random.default_rng([seed, sample])
