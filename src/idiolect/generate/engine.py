"""The loop that makes a model go on: ids in, ids out. It knows nothing of text.

A prompt is read once, whatever the number of its samples, and prompts of equal length are read together; then each step
reads one new token of every sample, whatever its prompt, and the keys and values of all tokens before it come from the
cache. A step costs one pass over the weights for all samples, and attention over what is held.

**The window.** A Transformer reads at most `context` tokens; a recurrent network, as many as one likes. Of a longer
prompt a Transformer reads the last `context`. When its window is full, it starts again on the last half of a context
(cache emptied, positions counted from 0), so that a completion may be as long as one likes; that one step costs half a
context, and what lies before it is forgotten.

Shapes: B samples, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from idiolect.errors import ModelError, UsageError
from idiolect.generate.sampling import Sampling, choose, filter_logits, sample_generator
from idiolect.models.model import Model, evaluating
from idiolect.nn.cache import Cache

Steps = Generator[list[tuple[int, int]], None, None]
"""For each step, which sample chose which id."""


def generate(
    model: Model,
    prompt_ids: Sequence[int],
    *,
    sampling: Sampling,
    max_tokens: int,
    seed: int,
    samples: Sequence[int] = (0,),
    stop_ids: Collection[int] = (),
    ended: Container[int] = (),
) -> Steps:
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
        ended: samples that nobody wants more of; looked at after each step, so that the caller may add to it.

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
    if not samples:
        raise UsageError("There are no samples to draw: ask for at least 1.")
    numbers = dict.fromkeys(samples)
    rows = [_Row(place, n, list(prompt_ids), sample_generator(seed, n)) for place, n in enumerate(numbers)]
    return _checked_steps(model, rows, sampling, max_tokens, frozenset(stop_ids), len(rows), ended)


def generate_batch(
    model: Model,
    prompts: Sequence[Sequence[int]],
    *,
    sampling: Sampling,
    max_tokens: int,
    seed: int,
    stop_ids: Collection[int] = (),
    batch_rows: int = 32,
    ended: Container[int] = (),
) -> Steps:
    """Continue several prompts together: each as `generate` does alone, by sample 0 of the seed.

    Prompts may be of unequal length. `batch_rows` of them run together, and where one ends the next takes its place.
    What a prompt gives does not depend on those beside it (but for the last bits of the logits, as in `generate`).

    Args:
        prompts: one or more, each of at least one id.
        batch_rows: prompts that are continued at the same time, 1 or more; memory grows with it.
        model, sampling, max_tokens, seed, stop_ids, ended: as in `generate`, prompts standing for samples.

    Yields:
        For each step the pairs (number of the prompt, id), in the order of the numbers.

    Raises:
        UsageError, ModelError: as `generate`.

    Example:
        >>> greedy = Sampling(temperature=0)
        >>> steps = generate_batch(model, [[5, 7], [1]], sampling=greedy, max_tokens=2, seed=0)
        >>> list(steps)
        [[(0, 9), (1, 3)], [(0, 2), (1, 3)]]
    """
    if not prompts:
        raise UsageError("There are no prompts: give at least one.")
    if batch_rows < 1:
        raise UsageError(f"batch_rows must be at least 1, not {batch_rows}.")
    rows = [_Row(number, number, list(ids), sample_generator(seed, 0)) for number, ids in enumerate(prompts)]
    return _checked_steps(model, rows, sampling, max_tokens, frozenset(stop_ids), batch_rows, ended)


@dataclass(slots=True, eq=False)
class _Row:
    """A sample on its way."""

    place: int
    """Where it stands among those that are asked for."""
    number: int
    """What it is called in the answer."""
    ids: list[int]
    """The prompt and what was chosen since."""
    generator: numpy.random.Generator
    held: int = 0
    """How many of the last ids are in the cache; 0: nothing of it was read yet."""
    chosen: int = 0
    running: bool = True
    seen_V: Tensor | None = None
    """Which tokens have occurred, where a penalty asks for it."""


def check_prompt(model: Model, prompt_ids: Sequence[int]) -> None:
    """Raise UsageError when there is no prompt, ModelError for an id outside the model's vocabulary."""
    if not prompt_ids:
        raise UsageError("There is no prompt: give at least one token to continue.")
    for odd in (min(prompt_ids), max(prompt_ids)):
        if not 0 <= odd < model.spec.vocab_size:
            raise ModelError(f"Token {odd} is outside the model's vocabulary of {model.spec.vocab_size}.")


def next_logits(model: Model, ids: Sequence[Sequence[int]], cache: Cache) -> Tensor:
    """Logits (B, V) of the token that follows `ids` (B, T), which are new to the cache."""
    ids_BT = torch.tensor(ids, device=next(model.parameters()).device)
    return model.head(model.hidden(ids_BT, cache=cache)[:, -1:])[:, 0]


def _checked_steps(
    model: Model,
    rows: list[_Row],
    sampling: Sampling,
    max_tokens: int,
    stop_ids: frozenset[int],
    batch_rows: int,
    ended: Container[int],
) -> Steps:
    if max_tokens < 1:
        raise UsageError(f"max_tokens must be at least 1, not {max_tokens}.")
    for row in rows:
        check_prompt(model, row.ids)
    return _steps(model, rows, sampling, max_tokens, stop_ids, batch_rows, ended)


@torch.inference_mode()  # on a generator: in force while a step is computed, not while the caller has it
def _steps(
    model: Model,
    rows: list[_Row],
    sampling: Sampling,
    max_tokens: int,
    stop_ids: frozenset[int],
    batch_rows: int,
    ended: Container[int],
) -> Steps:
    longest = max(len(row.ids) for row in rows) + max_tokens
    window = model.window or longest
    capacity = min(window, longest)
    penalised = sampling.repetition_penalty != 1.0
    waiting, part = rows, None
    with evaluating(model):
        while True:
            going: list[_Row] = [row for row in part.rows if row.running] if part else []
            unread = [row for row in going if row.held == window]
            free = max(0, batch_rows - len(going))
            unread, waiting = unread + waiting[:free], waiting[free:]
            if not going and not unread:
                return
            parts = [*(_step(model, part, window) if part else ()), *_read(model, unread, window, capacity)]
            part = parts[0] if len(parts) == 1 else _joined(parts)

            seen_BV = torch.stack([_seen(row, part.logits_BV) for row in part.rows]) if penalised else torch.empty(0)
            logits_BV = filter_logits(part.logits_BV, sampling, seen_BV)
            chosen_B = choose(logits_BV, [row.generator for row in part.rows]).tolist()
            for row, token_id in zip(part.rows, chosen_B):
                row.ids.append(token_id)
                row.chosen += 1
            yield [(row.number, row.ids[-1]) for row in sorted(part.rows, key=lambda row: row.place)]
            for row in part.rows:
                row.running = row.ids[-1] not in stop_ids and row.chosen < max_tokens and row.number not in ended


@dataclass(slots=True)
class _Part:
    """Some rows, what the model holds of them, and its logits for their next tokens."""

    rows: list[_Row]
    cache: Cache
    logits_BV: Tensor


def _step(model: Model, part: _Part, window: int) -> Iterator[_Part]:
    """Read the newest token of the rows that go on and have room for it; the others are left out."""
    places = [place for place, row in enumerate(part.rows) if row.running and row.held < window]
    if not places:
        return
    rows = [part.rows[place] for place in places]
    cache = part.cache if len(rows) == len(part.rows) else part.cache.select(places)
    logits_BV = next_logits(model, [[row.ids[-1]] for row in rows], cache)
    for row in rows:
        row.held += 1
    yield _Part(rows, cache, logits_BV)


def _read(model: Model, rows: list[_Row], window: int, capacity: int) -> Iterator[_Part]:
    """Read whole windows: of new rows the end of the prompt, of rows whose window is full its last half.

    Windows of equal length are read together, and equal ones once.
    """
    by_length: dict[int, dict[tuple[int, ...], list[_Row]]] = {}
    for row in rows:
        ids = tuple(row.ids[-(max(1, window // 2) if row.held else window) :])
        row.held = len(ids)
        by_length.setdefault(len(ids), {}).setdefault(ids, []).append(row)
    for windows in by_length.values():
        cache = model.new_cache(len(windows), capacity)
        logits_BV = next_logits(model, list(windows), cache)
        places = [place for place, same in enumerate(windows.values()) for _ in same]
        if len(places) > len(windows):
            cache, logits_BV = cache.select(places), logits_BV[places]
        yield _Part([row for same in windows.values() for row in same], cache, logits_BV)


def _joined(parts: list[_Part]) -> _Part:
    rows = [row for part in parts for row in part.rows]
    cache = parts[0].cache.beside([part.cache for part in parts[1:]])
    return _Part(rows, cache, torch.cat([part.logits_BV for part in parts]))


def _seen(row: _Row, logits_BV: Tensor) -> Tensor:
    """Which tokens of the vocabulary a row has, (V,): what it had before, and the newest."""
    if row.seen_V is None:
        row.seen_V = torch.zeros(logits_BV.shape[1], dtype=torch.bool, device=logits_BV.device)
        row.seen_V[row.ids] = True
    row.seen_V[row.ids[-1]] = True
    return row.seen_V
