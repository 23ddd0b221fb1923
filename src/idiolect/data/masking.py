"""Masked language modelling: which tokens of a row are hidden, and what stands in their place (Devlin et al. 2019,
"BERT", section 3.1).

Of the tokens that are chosen, 80% become the mask, 10% a random token, 10% stay as they are; all of them are predicted,
and nothing else is. With whole words, the tokens of a word are hidden together (BERT's later models). What is hidden is
a pure function of the row's number.

Shapes: N ids of a row, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from idiolect.data.order import key_of
from idiolect.errors import UsageError
from idiolect.tokenizers.base import Tokenizer

_MASKED: Final = 0.8
_RANDOM: Final = 0.1

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden.

    Example:
        >>> masking = Masking.of(tokenizer, rate=0.15)
        >>> read_N, hidden_N = masking.hide(ids_N, seed=0, row=7)
    """

    mask: int
    """The id of the mask."""
    ordinary: Ids
    """The ids that are ordinary tokens: special ones are never hidden, and never stand for another."""
    ordinary_V: npt.NDArray[np.bool_]
    """Whether an id is one of them."""
    begins_word_V: npt.NDArray[np.bool_] | None
    """Which ids begin a word, where words are hidden whole."""
    rate: float = 0.15
    """Share of the ordinary tokens that are predicted."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, *, rate: float = 0.15, whole_words: bool = False) -> Masking:
        """The masking of a tokenizer's ids.

        Raises:
            TokenizerError: the tokenizer has no mask token.
            UsageError: a rate that is no share.
        """
        if not 0.0 < rate < 1.0:
            raise UsageError(f"The share of masked tokens must be above 0 and below 1, not {rate}.")
        ordinary_V = np.ones(tokenizer.vocab_size, np.bool_)
        ordinary_V[list(tokenizer.special_tokens.values())] = False
        begins_word_V = word_beginnings(tokenizer) if whole_words else None
        return cls(tokenizer.role("mask"), np.flatnonzero(ordinary_V), ordinary_V, begins_word_V, rate)

    def hide(self, ids_N: Ids, seed: int, row: int) -> tuple[Ids, npt.NDArray[np.bool_]]:
        """The ids as the model reads them, and where it has to say what stood there.

        At least one token is hidden where there is an ordinary one.
        """
        random = np.random.Generator(np.random.Philox(key=key_of(seed, row)))
        hidden_N = self._chosen(ids_N, random)
        draws_N = random.random(len(ids_N))
        strangers_N = random.choice(self.ordinary, len(ids_N))
        read_N = np.where(hidden_N & (draws_N < _MASKED), self.mask, ids_N)
        swapped_N = hidden_N & (draws_N >= _MASKED) & (draws_N < _MASKED + _RANDOM)
        return np.where(swapped_N, strangers_N, read_N), hidden_N

    def _chosen(self, ids_N: Ids, random: np.random.Generator) -> npt.NDArray[np.bool_]:
        ordinary_N = self.ordinary_V[ids_N]
        wanted = max(1, round(self.rate * int(ordinary_N.sum())))
        if self.begins_word_V is None:
            words_N = np.arange(len(ids_N))
        else:
            # A special token is a word of its own, and so is what follows it.
            begins_N = self.begins_word_V[ids_N] | ~ordinary_N
            begins_N[1:] |= ~ordinary_N[:-1]
            words_N = np.cumsum(begins_N)
        order = random.permutation(np.unique(words_N[ordinary_N]))
        sizes = np.bincount(words_N, minlength=int(words_N.max(initial=0)) + 1)[order]
        enough = int(np.searchsorted(np.cumsum(sizes), wanted)) + 1
        return np.isin(words_N, order[:enough]) & ordinary_N


def word_beginnings(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Which ids begin a word (V,): those with whitespace or punctuation in front, and in WordPiece those without `##`.

    In text without spaces every token is taken for a part of the word before it, but for punctuation.
    """
    begins_V = np.zeros(tokenizer.vocab_size, np.bool_)
    for token_id in range(tokenizer.vocab_size):
        piece = tokenizer.token_bytes(token_id)
        first = piece[:1]
        begins_V[token_id] = not first or (first.isascii() and not first.isalnum())
    return begins_V
