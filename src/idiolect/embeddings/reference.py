"""What word vectors learn from one batch, in plain NumPy and float64: the oracle of `native/embed_step`.

A batch is what a step of training looks at: `centres` that follow each other in a text, the words around them, and, for
negative sampling, words drawn once for the whole batch. The loss of a pair (x, word) is

    negative sampling      -log s(x · y_word) + negative / K * sum of -log s(-x · y_k) over the negatives k but `word`
    hierarchical softmax   sum of -log s(± x · y_node) over the nodes of the path to `word`: + for code 0

(s: the logistic function), where x is, for skip-gram, the vector of one word of the window, which makes a pair each,
and for CBOW the mean of all of them. The vector of a word is the mean of its rows: its own and its n-grams'.

Each of several rows averaged into a vector moves by the whole gradient of the vector, as in word2vec and fastText.

Cost: a Python loop over pairs and targets; for tests only.

Shapes: P words of the batch, C centres, K negatives, R rows of `input`, T of `output`, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Path = Sequence[tuple[int, int]]
"""The nodes from the root of the Huffman tree to a word, each with the code of the way that is taken there."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step looks at."""

    words_P: Sequence[int]
    first: int
    """Where the first centre is among the words; the others follow."""
    windows_C: Sequence[tuple[int, int]]
    """Of each centre, the positions [begin, end) of its window, the centre itself among them."""
    negatives_K: Sequence[int]
    """None for hierarchical softmax."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """The loss of a batch, summed over its pairs, and how the rows go down it."""

    loss: float
    pairs: int
    """Words in the windows of all centres."""
    input_RD: Floats
    output_TD: Floats


def gradients(
    batch: Batch,
    input_RD: Floats,
    output_TD: Floats,
    *,
    rows: Sequence[Sequence[int]],
    cbow: bool,
    negative: int = 5,
    paths: Sequence[Path] | None = None,
) -> Gradients:
    """The loss and the gradients of a batch.

    Args:
        batch: words and windows.
        input_RD, output_TD: the two matrices.
        rows: of each word, its rows in the input matrix.
        cbow: predict a centre from the mean of its window, instead of from each of its words.
        negative: negatives that a pair weighs against.
        paths: of each word, for hierarchical softmax; None: negative sampling.

    Example:
        >>> batch = Batch([0, 1, 2], first=1, windows_C=[(0, 3)], negatives_K=[3])
        >>> step = gradients(batch, input, output, rows=[[0], [1], [2], [3]], cbow=False)
        >>> input -= 0.025 * step.input_RD
    """
    vectors_PD = np.stack([input_RD[list(rows[word])].mean(axis=0) for word in batch.words_P])
    d_vectors_PD, d_input_RD, d_output_TD = map(np.zeros_like, (vectors_PD, input_RD, output_TD))
    loss, pairs = 0.0, 0

    def targets(word: int) -> Iterator[tuple[int, int, float]]:
        """Row of the output matrix, label and weight of all that is asked of a pair."""
        if paths is not None:
            for node, code in paths[word]:
                yield node, 1 - code, 1.0
            return
        yield word, 1, 1.0
        for other in batch.negatives_K:
            if other != word:
                yield other, 0, negative / len(batch.negatives_K)

    for centre, (begin, end) in enumerate(batch.windows_C, start=batch.first):
        around = [position for position in range(begin, end) if position != centre]
        pairs += len(around)
        sources = [[position] for position in around] if not cbow else [around] if around else []
        for source in sources:
            hidden_D = vectors_PD[source].mean(axis=0)
            for row, label, weight in targets(batch.words_P[centre]):
                logit = float(hidden_D @ output_TD[row])
                loss += weight * float(np.logaddexp(0, -logit if label else logit))
                error = weight * (1 / (1 + np.exp(-logit)) - label)
                d_output_TD[row] += error * hidden_D
                d_vectors_PD[source] += error * output_TD[row]
    for word, d_vector_D in zip(batch.words_P, d_vectors_PD):
        for row in rows[word]:
            d_input_RD[row] += d_vector_D
    return Gradients(loss, pairs, d_input_RD, d_output_TD)
