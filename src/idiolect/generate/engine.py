"""The loop that makes a model go on: ids in, ids out. It knows nothing of text.

The prompt is read once, whatever the number of samples; then each step reads one new token of each sample, and the
keys and values of all tokens before it come from the cache. A step costs one pass over the weights, and attention over
what is held.

**The window.** A Transformer reads at most `context` tokens; a recurrent network, as many as one likes. Of a longer
prompt a Transformer reads the last `context`. When its window is full, it starts again on the last half of a context
(cache emptied, positions counted from 0), so that a completion may be as long as one likes; that one step costs half a
context, and what lies before it is forgotten.

Shapes: B samples, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence

import numpy
import torch
from torch import Tensor

from idiolect.errors import ModelError, UsageError
from idiolect.generate.sampling import Sampling, choose, filter_logits, sample_generator
from idiolect.models.model import Model
from idiolect.nn.cache import Cache


def generate(
    model: Model,
    prompt_ids: Sequence[int],
    *,
    sampling: Sampling,
    max_tokens: int,
    seed: int,
    samples: Sequence[int] = (0,),
    stop_ids: Collection[int] = (),
) -> Generator[list[tuple[int, int]], None, None]:
    """Continue a prompt, one token of every sample at each step.

    Sample j draws from its own random numbers, a function of (seed, j): it does not depend on how many samples are
    drawn beside it (but for the last bits of the logits: a matrix product of several rows may round otherwise than of
    one).
    The model is in evaluation mode until the iterator ends or is closed, and then as it was.

    Args:
        model: a causal language model.
        prompt_ids: at least one id; the last `context` of them are read.
        sampling: how each token is chosen.
        max_tokens: the most tokens a sample may have, 1 or more.
        seed: 0 or more.
        samples: which of the seed's continuations to draw, by number: `range(5)` for five, `[4]` for the fifth alone.
        stop_ids: a sample ends with the first of these that it chooses.

    Yields:
        For each step the pairs (sample, id) of the samples still running, in the order of `samples`. A stop id is
        yielded too, as its sample's last.

    Raises:
        UsageError: a number out of range, no prompt, or no samples. Raised at once, before the first step.
        ModelError: an id outside the model's vocabulary; or, at any step, logits that are not numbers.

    Example:
        >>> steps = generate(model, [5, 7], sampling=Sampling(temperature=0), max_tokens=3, seed=0)
        >>> [id for step in steps for _, id in step]
        [9, 2, 4]
    """
    if max_tokens < 1:
        raise UsageError(f"max_tokens must be at least 1, not {max_tokens}.")
    if not samples:
        raise UsageError("There are no samples to draw: ask for at least 1.")
    if not prompt_ids:
        raise UsageError("There is no prompt: give at least one token to continue.")
    for odd in (min(prompt_ids), max(prompt_ids)):
        if not 0 <= odd < model.spec.vocab_size:
            raise ModelError(f"Token {odd} is outside the model's vocabulary of {model.spec.vocab_size}.")
    generators = {sample: sample_generator(seed, sample) for sample in samples}
    return _steps(model, prompt_ids, sampling, max_tokens, generators, frozenset(stop_ids))


@torch.inference_mode()  # on a generator: in force while a step is computed, not while the caller has it
def _steps(
    model: Model,
    prompt_ids: Sequence[int],
    sampling: Sampling,
    max_tokens: int,
    generators: Mapping[int, numpy.random.Generator],
    stop_ids: frozenset[int],
) -> Generator[list[tuple[int, int]], None, None]:
    samples, window = list(generators), model.window or len(prompt_ids) + max_tokens
    half = max(1, window // 2)
    capacity = min(window, len(prompt_ids) + max_tokens)
    device = next(model.parameters()).device
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        prompt_1T = torch.tensor([prompt_ids], device=device)
        seen_BV = torch.zeros(len(samples), model.spec.vocab_size, dtype=torch.bool, device=device)
        seen_BV[:, prompt_1T[0]] = True
        recent_BT = prompt_1T[:, -half:].repeat(len(samples), 1)  # what the window keeps when it moves

        cache = model.new_cache(1, capacity)
        logits_BV = _next_logits(model, prompt_1T[:, -window:], cache).repeat(len(samples), 1)
        cache = cache.repeat(len(samples))
        running = samples
        for step in range(1, max_tokens + 1):
            chosen_B = choose(filter_logits(logits_BV, sampling, seen_BV), list(generators.values()))
            ids = dict(zip(samples, chosen_B.tolist()))
            yield [(sample, ids[sample]) for sample in running]

            # A sample that has ended keeps its row: every row has as many tokens, so one cache serves all.
            running = [sample for sample in running if ids[sample] not in stop_ids]
            if not running or step == max_tokens:
                return
            chosen_B1 = chosen_B[:, None]
            seen_BV.scatter_(1, chosen_B1, True)
            recent_BT = torch.cat([recent_BT, chosen_B1], dim=1)[:, -half:]
            if cache.length < window:
                logits_BV = _next_logits(model, chosen_B1, cache)
            else:
                cache = model.new_cache(len(samples), capacity)
                logits_BV = _next_logits(model, recent_BT, cache)
    finally:
        for module, mode in modes.items():
            module.training = mode


def _next_logits(model: Model, ids_BT: Tensor, cache: Cache) -> Tensor:
    """Logits (B, V) of the token that follows `ids_BT`, which are new to the cache."""
    return model.head(model.hidden(ids_BT, cache=cache)[:, -1:])[:, 0]
