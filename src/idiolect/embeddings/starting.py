"""Where a language model's embeddings may start: a vector for each token of a tokenizer, made of vectors of words.

Vectors learnt over the tokenizer's own tokens are taken as they are. Of vectors of words, each word is written in the
tokenizer's tokens as text has it: with a space before it, and without. A token that is more often a whole word than a
piece of longer ones takes the word's vector; any other takes the mean of the vectors of the words it is a piece of,
each as often as the word is met (Zipf's 1 / rank where nothing tells how often). So `▁king` is the word, and `▁sp` the
mean of what begins with it. What is met in no word as it is written is looked for in words with a capital, then in
words all in capitals, so that `▁The` is the word "the" of vectors in small letters; and what is still unknown is made
of its n-grams where the vectors have some (fastText).

Vectors learnt from little text all point nearly the same way, and a model could not tell tokens apart by them: of the
mean so much is taken away that it makes up a fifth of the rows' mean square at most. (Vectors of much text have less;
their mean is left alone, as it went worse without it: docs/log.md.)

A model's width may be another than that of the vectors. Into more dimensions they are laid by a random orthogonal
matrix, which keeps all inner products; of fewer, the directions in which they vary most are kept (PCA), turned at
random so that no dimension has more of them than another. All rows get the same length.

Cost: each word is encoded up to six times; some 40,000 words in a second. Memory for three matrices (V, D) in float64.

Shapes: V tokens, D dimensions of the vectors, M dimensions of the model, W words written together, N pieces of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.of_models import token_names
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import PATTERNS
from idiolect.errors import UsageError, VectorsError
from idiolect.tokenizers.base import Tokenizer

Float64 = NDArray[np.float64]

UNKNOWN, WORD, PIECE, NGRAMS = range(4)
"""How a token is known: not at all, as a word (or as the token that it is), as a piece of words, by its n-grams."""

_COMMON: Final = 0.2  # of the mean square of the rows, at most in the direction of their mean
_TOGETHER: Final = 20_000  # words that are written together
_SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (str, lambda word: word[:1].upper() + word[1:], str.upper)


@dataclass(frozen=True, slots=True)
class Start:
    """Rows for a model's embeddings."""

    rows: NDArray[np.float32]
    """(V, M), with a mean square of 1 over the numbers of each row; zeros where nothing is known of a token."""
    known: NDArray[np.int8]
    """(V,) UNKNOWN, WORD, PIECE or NGRAMS."""
    own: bool
    """Whether the vectors are those of the tokenizer's own tokens."""

    def __str__(self) -> str:
        """A sentence.

        Example:
            >>> print(start)
            5,812 of 8,000 tokens start from vectors: 3,100 as words, 2,712 as pieces of words.
        """
        counts = np.bincount(self.known, minlength=4).tolist()
        head = f"{len(self.known) - counts[UNKNOWN]:,} of {len(self.known):,} tokens start from vectors"
        if self.own:
            return f"{head} of their own."
        parts = ((WORD, "as words"), (PIECE, "as pieces of words"), (NGRAMS, "by their n-grams"))
        return f"{head}: {', '.join(f'{counts[how]:,} {said}' for how, said in parts if counts[how])}."


def starting_rows(vectors: Vectors, tokenizer: Tokenizer, dim: int, *, seed: int = 0) -> Start:
    """A row for each token of a tokenizer that something is known of.

    Args:
        vectors: of words, or of this tokenizer's tokens.
        tokenizer: V tokens.
        dim: M, the width of the model.
        seed: of the orthogonal matrix, where D is not M.

    Raises:
        UsageError: no token is a word of the vectors, or a piece of one.
        VectorsError: the vectors are those of another tokenizer's tokens, or have a number that is not finite.

    Example:
        >>> start = starting_rows(Vectors.load("vectors"), tokenizer, dim=128)
        >>> model.embed_tokens.weight[start.known > 0] = spread * torch.from_numpy(start.rows[start.known > 0])
    """
    vectors.check()
    if vectors.tokenizer:
        rows_VD, known_V = _own_tokens(vectors, tokenizer)
    else:
        rows_VD, known_V = _tokens_of_words(vectors, tokenizer)
    known_V[list(tokenizer.special_tokens.values())] = UNKNOWN
    known_V[~rows_VD.any(axis=1)] = UNKNOWN
    if not known_V.any():
        raise UsageError(
            f"None of the tokenizer's {tokenizer.vocab_size:,} tokens is one of the {len(vectors):,} words with a "
            "vector, or a piece of one: give vectors of words in the language of the text."
        )
    rows_VM = _fitted(rows_VD, known_V > UNKNOWN, dim, seed)
    known_V[~rows_VM.any(axis=1)] = UNKNOWN  # nothing is left of them in fewer dimensions
    return Start(rows_VM, known_V, own=bool(vectors.tokenizer))


def _own_tokens(vectors: Vectors, tokenizer: Tokenizer) -> tuple[Float64, NDArray[np.int8]]:
    """(V, D) the vectors of a tokenizer's own tokens."""
    if vectors.tokenizer != tokenizer.fingerprint():
        raise VectorsError(
            "The vectors are of another tokenizer's tokens than the model is to read: learn them with the same "
            "tokenizer, or of words."
        )
    names = token_names(tokenizer, tokenizer.vocab_size)
    found = np.array([vectors.row(name) if name in vectors else -1 for name in names])
    rows_VD = np.zeros((tokenizer.vocab_size, vectors.dim))
    rows_VD[found >= 0] = vectors.matrix[found[found >= 0]]
    return rows_VD, np.where(found >= 0, WORD, UNKNOWN).astype(np.int8)


def _tokens_of_words(vectors: Vectors, tokenizer: Tokenizer) -> tuple[Float64, NDArray[np.int8]]:
    """(V, D) tokens as words, as pieces of words, or by their n-grams."""
    size = tokenizer.vocab_size
    texts = [tokenizer.token_bytes(token_id).decode("utf-8", errors="replace").strip() for token_id in range(size)]
    text_V = np.array([bool(text) and "\ufffd" not in text for text in texts])  # neither spaces nor parts of letters
    if tokenizer.unknown is not None:
        text_V[tokenizer.unknown] = False
    rows_VD, known_V = np.zeros((size, vectors.dim)), np.zeros(size, np.int8)
    for spelling in _SPELLINGS:
        whole_VD, piece_VD = np.zeros((size, vectors.dim)), np.zeros((size, vectors.dim))
        whole_V, piece_V = np.zeros(size), np.zeros(size)
        new_V = (known_V == UNKNOWN) & text_V
        for ids_N, words_N, alone_N in _pieces(vectors, tokenizer, spelling):
            new_N = new_V[ids_N]
            for chosen_N, sum_VD, weight_V in (
                (new_N & alone_N, whole_VD, whole_V),
                (new_N & ~alone_N, piece_VD, piece_V),
            ):
                _add(vectors, ids_N[chosen_N], words_N[chosen_N], sum_VD, weight_V)
        as_word_V = (whole_V > 0) & (whole_V >= piece_V)
        as_piece_V = ~as_word_V & (piece_V > 0)
        rows_VD[as_word_V] = whole_VD[as_word_V] / whole_V[as_word_V, None]
        both_V = (whole_V + piece_V)[as_piece_V, None]
        rows_VD[as_piece_V] = (whole_VD + piece_VD)[as_piece_V] / both_V
        known_V[as_word_V], known_V[as_piece_V] = WORD, PIECE
    if vectors.subwords is not None:
        small = all(word == word.lower() for word in vectors.words)
        for token_id in np.flatnonzero(known_V == UNKNOWN).tolist():
            text = texts[token_id]
            if PATTERNS["letters"].fullmatch(text) and len(vectors.subwords.ngrams(text)):
                rows_VD[token_id] = vectors.subwords.vector(text.lower() if small else text)
                known_V[token_id] = NGRAMS
    return rows_VD, known_V


def _pieces(
    vectors: Vectors, tokenizer: Tokenizer, spelling: Callable[[str], str]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Words in a tokenizer's tokens, some thousands together: the token of each piece (N), the row of its word, and
    whether it is the whole word. A phrase (new_york) is written with its space."""
    places = (" ", "") if not tokenizer.drops_first_space else ("",)
    for start in range(0, len(vectors), _TOGETHER):
        texts: list[str] = []
        rows: list[int] = []
        for row, word in enumerate(vectors.words[start : start + _TOGETHER], start=start):
            spelt = spelling(word).replace("_", " ").strip()
            if not spelt or (spelling is not str and spelt == word) or not tokenizer.can_encode(spelt):
                continue
            texts += [place + spelt for place in places if tokenizer.can_encode(place + spelt)]
            rows += [row] * (len(texts) - len(rows))
        if not texts:
            continue
        ids_N, starts = tokenizer.encode_many(texts)
        lengths = np.diff(starts)
        yield ids_N.astype(np.int64), np.repeat(np.array(rows), lengths), np.repeat(lengths == 1, lengths)


def _add(
    vectors: Vectors,
    ids_N: NDArray[np.int64],
    words_N: NDArray[np.int64],
    sum_VD: Float64,
    weight_V: Float64,
) -> None:
    """Add the vectors of words, each as often as the word is met, to the sums of the tokens they are written in."""
    if not len(ids_N):
        return
    order_N = np.argsort(ids_N, kind="stable")
    ids_N, words_N = ids_N[order_N], words_N[order_N]
    weights_N = _weights(vectors, words_N)
    tokens, firsts = np.unique(ids_N, return_index=True)
    sum_VD[tokens] += np.add.reduceat(weights_N[:, None] * vectors.matrix[words_N], firsts, axis=0)
    weight_V[tokens] += np.add.reduceat(weights_N, firsts)


def _weights(vectors: Vectors, rows: NDArray[np.int64]) -> Float64:
    """How often the words of rows are met: as counted, or by Zipf's law."""
    weights = 1.0 / (1.0 + rows) if vectors.counts is None else np.maximum(vectors.counts[rows], 1)
    return weights.astype(np.float64)


def _apart(rows_KD: Float64) -> Float64:
    """(K, D) rows without as much of their mean as is more than `_COMMON` of their mean square."""
    mean_D: Float64 = rows_KD.mean(axis=0)
    common = float(np.square(mean_D).sum())
    own = float(np.square(rows_KD - mean_D).sum(axis=1).mean())
    if own < 1e-12 * common:  # a single row, or rows that are all the same
        return rows_KD
    kept = np.sqrt(min(1.0, _COMMON / (1 - _COMMON) * own / max(common, 1e-30)))
    apart_KD: Float64 = rows_KD - (1 - kept) * mean_D
    return apart_KD


def _fitted(rows_VD: Float64, known_V: NDArray[np.bool_], dim: int, seed: int) -> NDArray[np.float32]:
    """(V, M) the known rows in the model's width, each with a mean square of 1; one of zeros stays so."""
    known_KM = _apart(rows_VD[known_V])
    if known_KM.shape[1] != dim:
        known_KM = known_KM @ _basis(known_KM, dim, seed)
    sizes_K1 = np.sqrt(np.square(known_KM).mean(axis=1, keepdims=True))
    rows_VM = np.zeros((len(rows_VD), dim), np.float32)
    rows_VM[known_V] = np.divide(known_KM, sizes_K1, out=np.zeros_like(known_KM), where=sizes_K1 > 1e-12)
    return rows_VM


def _basis(rows_KD: Float64, dim: int, seed: int) -> Float64:
    """(D, M) what lays rows into another width: with orthonormal rows into more dimensions, columns into fewer."""
    width = rows_KD.shape[1]
    larger = max(dim, width)
    drawn = np.random.default_rng(seed).normal(size=(min(dim, larger), min(dim, larger)))
    turn_MM, upper_MM = np.linalg.qr(drawn)
    turn_MM *= np.sign(np.diag(upper_MM))  # uniform among all rotations (Mezzadri 2007, section 5)
    if dim > width:
        return turn_MM[:width]
    _, directions_DD = np.linalg.eigh(rows_KD.T @ rows_KD)  # by rising variance
    best_DM = directions_DD[:, : -dim - 1 : -1]
    best_DM = best_DM * np.sign(best_DM[np.abs(best_DM).argmax(axis=0), np.arange(dim)])  # else the sign is by chance
    basis_DM: Float64 = best_DM @ turn_MM
    return basis_DM
