"""The n-gram baseline: an interpolated Kneser–Ney model over the same tokens as the neural one.

The probability of a token after a context takes away a discount D from every count and gives what it took
to the model with one token less of context:

    p_n(w | h) = (max(c_n(h w) − D_n, 0) + D_n · |{v : c_n(h v) > 0}| · p_{n−1}(w | h')) / Σ_v c_n(h v)

where h' is h without its first token. At the highest order c counts occurrences; below it, c_n(g) is the
number of different tokens seen before g, so that a word that follows only "San" is not thought likely
elsewhere. Below the first order stands the uniform distribution, so every token has a probability above
zero. A context never seen leaves p_{n−1} as it is.

Sources: R. Kneser and H. Ney, "Improved backing-off for m-gram language modeling" (ICASSP 1995); S. F. Chen
and J. Goodman, "An empirical study of smoothing techniques for language modeling" (Computer Speech and
Language 13, 1999), section 3 for the interpolated form and for D = n1 / (n1 + 2 n2), where n1 and n2 count
the n-grams with a count of one and of two.

Cost: learning sorts the tokens once for each order; scoring is a binary search for each token and order.
Memory: about 200 bytes for each training token while learning at order 5, half of that afterwards.

Shapes: I positions of a text, U different n-grams of one order, C different contexts of that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from idiolect.errors import CorpusError, ModelError, UsageError
from idiolect.evaluation.perplexity import Score, stretches

if TYPE_CHECKING:
    from idiolect.text.document import Document
    from idiolect.tokenizers.base import Tokenizer

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_NONE_SEEN_ONCE = 0.5  # the discount where no n-gram has a count of one, so that D would be 0 or undefined


@dataclass(frozen=True, slots=True)
class _Order:
    """The n-grams of one length. An n-gram is known by a number: its place in `keys_U`.

    Its key is (number of its first n − 1 tokens) · (vocabulary + 1) + its last token, so it fits 64 bits for every n.
    """

    keys_U: Ints
    """Sorted."""
    counts_U: Ints
    totals_C: Ints
    """Σ_v c(h v) for each context h, by its number among the n-grams one shorter."""
    kinds_C: Ints
    """|{v : c(h v) > 0}| for each context h."""
    discount: float

    def find(self, keys_I: Ints) -> Ints:
        """The number of each key, −1 where it was never seen."""
        places_I = np.minimum(np.searchsorted(self.keys_U, keys_I), len(self.keys_U) - 1)
        return np.where(self.keys_U[places_I] == keys_I, places_I, -1)


class KneserNey:
    """An interpolated Kneser–Ney language model: `learn` one, then ask for `log_probs` or a `score`.

    Example:
        >>> model = KneserNey.learn([[0, 1, 2, 1, 0], [0, 1, 1, 0]], vocab_size=3, order=2)
        >>> model.log_probs([0, 1, 2]).round(3)
        array([-0.09 , -1.574])
    """

    def __init__(self, orders: Sequence[_Order], vocab_size: int) -> None:
        self._orders = orders  # the shortest n-grams first
        self._vocab_size = vocab_size

    @staticmethod
    def learn(streams: Iterable[Sequence[int] | Ints], vocab_size: int, order: int = 5) -> KneserNey:
        """Count the n-grams of some documents.

        Args:
            streams: the tokens of one whole document each, the marks that open and close it included. The first
                token of a stream is only ever context, and no context reaches into another stream. All are held
                in memory.
            vocab_size: every id is below it.
            order: the longest n-gram: how many tokens, the predicted one included, are looked at together.

        Raises:
            CorpusError: no stream has a token to predict.
            ModelError: an id outside the vocabulary.
            UsageError: `order` or `vocab_size` below 1.
        """
        if order < 1 or vocab_size < 1:
            raise UsageError(f"order and vocab_size must be at least 1, not {order} and {vocab_size}.")
        # Before each stream stands "nothing", an id the vocabulary does not have: it fills contexts cut short.
        nothing = np.full(order - 1, vocab_size)
        pieces, predicted = [], []
        for stream in streams:
            ids = _checked(stream, vocab_size)
            pieces += [nothing, ids]
            predicted += [np.zeros(order - 1, bool), np.arange(len(ids)) > 0]
        if not any(mask.any() for mask in predicted):
            raise CorpusError("There is no text to learn n-grams from: name one that is not empty.")
        ids_I, predicted_I = np.concatenate(pieces), np.concatenate(predicted)

        # Number the n-grams, the shortest first: each position has the number of the one that ends there. There is
        # one n-gram of no tokens.
        keys: list[Ints] = [np.zeros(1, np.int64)]
        numbers: list[Ints] = [np.zeros(len(ids_I), np.int64)]
        for _ in range(order):
            keys_U, numbers_I = np.unique(_keys(numbers[-1], ids_I, vocab_size), return_inverse=True)
            keys.append(keys_U)
            numbers.append(numbers_I)

        # Count them, the longest first: a shorter one counts the different longer ones that end in it.
        orders: list[_Order] = []
        counts_U = np.bincount(numbers[order][predicted_I], minlength=len(keys[order]))
        for n in range(order, 0, -1):
            orders.append(_with_totals(keys[n], counts_U, len(keys[n - 1]), vocab_size))
            ending_U = np.empty(len(keys[n]), np.int64)
            ending_U[numbers[n]] = numbers[n - 1]
            counts_U = np.bincount(ending_U[counts_U > 0], minlength=len(keys[n - 1]))
        return KneserNey(orders[::-1], vocab_size)

    def log_probs(self, ids: Sequence[int] | Ints) -> Floats:
        """log p(x_i | x_<i) in nats for each of `ids` but the first, which opens the text.

        Raises:
            ModelError: an id outside the vocabulary.
        """
        nothing = np.full(len(self._orders) - 1, self._vocab_size)
        ids_I = np.concatenate([nothing, _checked(ids, self._vocab_size)])
        numbers_I = np.zeros(len(ids_I), np.int64)
        probs_I = np.full(len(ids_I), 1 / self._vocab_size)
        for grams in self._orders:
            contexts_I = _shifted(numbers_I)
            numbers_I = grams.find(_keys(numbers_I, ids_I, self._vocab_size))
            # The number −1 stands for what was never seen: it has no counts.
            counts_I = np.where(numbers_I >= 0, grams.counts_U[numbers_I], 0)
            totals_I = np.where(contexts_I >= 0, grams.totals_C[contexts_I], 0)
            kinds_I = grams.kinds_C[contexts_I]
            kept_I = np.maximum(counts_I - grams.discount, 0) + grams.discount * kinds_I * probs_I
            probs_I = np.where(totals_I > 0, kept_I / np.maximum(totals_I, 1), probs_I)
        log_probs: Floats = np.log(probs_I[len(nothing) + 1 :])
        return log_probs

    def score(self, tokenizer: Tokenizer, documents: Iterable[Document]) -> Score:
        """Predict every token of the documents, as `idiolect.evaluation.perplexity.score` does with a neural model.

        Raises:
            CorpusError: nothing to predict.
            ModelError: a token outside the vocabulary.
        """
        nats, tokens, byte_count, document_count = 0.0, 0, 0, 0
        reach = max(1, len(self._orders) - 1)  # tokens of an earlier part that still matter
        ids: list[int] = []
        for stretch in stretches(tokenizer, documents):
            before = ids[-reach:] if stretch.continues else []
            ids = [*before, *stretch.ids]
            log_probs = self.log_probs(ids)[max(0, len(before) - 1) :]
            nats -= float(log_probs.sum())
            tokens += len(log_probs)
            byte_count += stretch.bytes
            document_count += not stretch.continues
        return Score(nats, tokens, byte_count, document_count)


def documents_in(ids: Ints, end_of_text: int) -> Iterator[Ints]:
    """The documents of a stream in which one end-of-text token closes a document and opens the next, as shards hold it.

    Each has its marks on both sides; one that the stream cuts off has the mark it has.

    Example:
        >>> [document.tolist() for document in documents_in(np.array([0, 5, 6, 0, 7, 0]), end_of_text=0)]
        [[0, 5, 6, 0], [0, 7, 0]]
    """
    marks = np.flatnonzero(ids == end_of_text)
    for start, stop in zip([0, *marks], [*(marks + 1), len(ids)]):
        if stop - start > 1:
            yield ids[start:stop]


def _checked(ids: Sequence[int] | Ints, vocab_size: int) -> Ints:
    """The ids as an array, all of them inside the vocabulary."""
    ids_I = np.asarray(ids, dtype=np.int64)
    for odd in (ids_I.min(), ids_I.max()) if len(ids_I) else ():
        if not 0 <= odd < vocab_size:
            raise ModelError(
                f"Token {odd} is outside the n-gram model's vocabulary of {vocab_size}: use its own tokenizer."
            )
    return ids_I


def _shifted(numbers_I: Ints) -> Ints:
    """At each position, the number that stood one before: the context of the token there."""
    return np.concatenate([numbers_I[:1], numbers_I[:-1]])


def _keys(numbers_I: Ints, ids_I: Ints, vocab_size: int) -> Ints:
    """The key of the n-gram that ends at each position, from the numbers of the n-grams one shorter.

    Negative where the context was never seen.
    """
    return _shifted(numbers_I) * (vocab_size + 1) + ids_I


def _with_totals(keys_U: Ints, counts_U: Ints, contexts: int, vocab_size: int) -> _Order:
    """Add up the counts of the n-grams with the same context, and estimate the discount."""
    contexts_U = keys_U // (vocab_size + 1)
    # bincount adds in float64, which is exact below 2^53.
    totals_C = np.bincount(contexts_U, weights=counts_U, minlength=contexts).astype(np.int64)
    kinds_C = np.bincount(contexts_U[counts_U > 0], minlength=contexts)
    once, twice = int((counts_U == 1).sum()), int((counts_U == 2).sum())
    discount = once / (once + 2 * twice) if once else _NONE_SEEN_ONCE
    return _Order(keys_U, counts_U, totals_C, kinds_C, discount)
