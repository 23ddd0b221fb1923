"""From the ids a model chooses to text, piece by piece: whole characters only, and nothing from a stop string on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from torch import Tensor

from idiolect.generate.engine import Steps
from idiolect.generate.stopping import StopStrings
from idiolect.tokenizers.base import Tokenizer


@dataclass(frozen=True, slots=True)
class Scored:
    """A completion that a search has found, and how good it is."""

    text: str
    score: float
    """What it is ranked by: ln p, divided by the length penalty."""
    log_prob: float
    """ln p of its tokens, the one that ends the text included, given the prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A text that a prompt may go on with, and how likely it does."""

    text: str
    log_prob: float
    """ln p of its tokens together."""
    token_log_probs: Tensor
    """ln p of each of its tokens, given those before it: float64."""


def stop_strings(numbers: Iterable[int], stop: str | Sequence[str]) -> dict[int, StopStrings]:
    """What ends each sample. Raises UsageError for an empty stop string."""
    return {number: StopStrings([stop] if isinstance(stop, str) else stop) for number in numbers}


def whole_text(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """The text of ids, as `pieces` gives it: without a character left unfinished at its end."""
    decoder = tokenizer.stream()
    return "".join(decoder.push(token_id) for token_id in ids if token_id < tokenizer.vocab_size)


def pieces(
    tokenizer: Tokenizer, steps: Steps, stops: Mapping[int, StopStrings], ended: set[int]
) -> Iterator[tuple[int, str]]:
    """The text of each sample's ids as it comes: (number of the sample, text).

    Args:
        tokenizer: ids beyond its vocabulary, of a model whose own is padded, stand for nothing.
        steps: what the engine yields.
        stops: the stop strings of each sample, by its number.
        ended: where the numbers of samples whose stop string has come are put, for the engine to see.
    """
    decoders = {number: tokenizer.stream() for number in stops}
    with closing(steps):
        for step in steps:
            for number, token_id in step:
                if token_id >= tokenizer.vocab_size:
                    continue
                if text := stops[number].push(decoders[number].push(token_id)):
                    yield number, text
                if stops[number].stopped:
                    ended.add(number)
    for number, held in stops.items():
        if text := held.flush():
            yield number, text


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """How many ids all rows begin with.

    Example:
        >>> common_length([[1, 2, 3], [1, 2, 4]])
        2
    """
    return next((place for place, ids in enumerate(zip(*rows)) if len(set(ids)) > 1), min(map(len, rows)))
