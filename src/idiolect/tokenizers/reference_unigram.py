"""The unigram model in as few lines as it takes: what the native code must equal, on any input.

A segmentation of a text is a list of pieces that put together are the text; its likelihood is the product of the
pieces' probabilities (Kudo, "Subword regularization", 2018, section 3.2). Everything else follows from looking at all
segmentations: the best is the likeliest, the text's probability is the sum, and a piece's expected count is how often
it occurs in each, weighed by how likely each is. Looking at all takes time exponential in the text: `best` and
`expected` do the same from left to right in linear time, by the algorithms of Viterbi and of Baum and Welch.

Read this to understand, use `unigram` and `unigram_learning` to work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

Probabilities = Mapping[str, float]


def segmentations(text: str, pieces: Probabilities) -> Iterator[list[str]]:
    """All the ways to cut the text into pieces.

    Example:
        >>> list(segmentations("abc", {"ab": 0.4, "a": 0.2, "b": 0.2, "c": 0.2}))
        [['a', 'b', 'c'], ['ab', 'c']]
    """
    if not text:
        yield []
    for end in range(1, len(text) + 1):
        if text[:end] in pieces:
            for rest in segmentations(text[end:], pieces):
                yield [text[:end], *rest]


def likelihood(segmentation: Sequence[str], probability: Probabilities) -> float:
    """The product of the pieces' probabilities.

    Example:
        >>> likelihood(["ab", "ab", "c"], {"ab": 2 / 3, "c": 1 / 3})  # 4/27
        0.148...
    """
    return math.prod(probability[piece] for piece in segmentation)


def probability_of(text: str, probability: Probabilities) -> float:
    """The likelihood of a text: the sum over all its segmentations."""
    return sum(likelihood(segmentation, probability) for segmentation in segmentations(text, probability))


def n_best(text: str, probability: Probabilities, n: int) -> list[list[str]]:
    """The n likeliest segmentations, the likeliest first; of equals, those with the shorter first pieces."""
    return sorted(segmentations(text, probability), key=lambda one: -likelihood(one, probability))[:n]


def best(text: str, probability: Probabilities) -> list[str]:
    """The likeliest segmentation, by Viterbi: the best way to each place goes on from the best way to one before."""
    ways: list[tuple[float, list[str]]] = [(1.0, [])]
    for end in range(1, len(text) + 1):
        candidates = [
            (ways[start][0] * probability[text[start:end]], [*ways[start][1], text[start:end]])
            for start in range(end)
            if text[start:end] in probability
        ]
        ways.append(max(candidates, key=lambda way: way[0], default=(0.0, [])))
    return ways[-1][1]


def expected(text: str, probability: Probabilities) -> dict[str, float]:
    """How often each piece is expected in the text, over all segmentations, by the forward-backward algorithm.

    The share of an occurrence from i to j is forward(i) p(piece) backward(j) / p(text), where forward(i) is the
    probability of the text up to i, and backward(j) that from j on.
    """
    size = len(text)
    spans = [(i, j) for i in range(size) for j in range(i + 1, size + 1) if text[i:j] in probability]
    forward = [1.0] + [0.0] * size
    for i, j in spans:
        forward[j] += forward[i] * probability[text[i:j]]
    backward = [0.0] * size + [1.0]
    for i, j in reversed(spans):
        backward[i] += probability[text[i:j]] * backward[j]
    counts = dict.fromkeys(probability, 0.0)
    for i, j in spans:
        counts[text[i:j]] += forward[i] * probability[text[i:j]] * backward[j] / forward[size]
    return counts


def step(words: Mapping[str, int], probability: Probabilities) -> dict[str, float]:
    """One step of expectation-maximisation: count what is expected, and make the counts probabilities.

    The likelihood of the words never falls from one step to the next.
    """
    counts = dict.fromkeys(probability, 0.0)
    for word, times in words.items():
        for piece, count in expected(word, probability).items():
            counts[piece] += times * count
    total = sum(counts.values())
    return {piece: count / total for piece, count in counts.items()}


def log_likelihood(words: Mapping[str, int], probability: Probabilities) -> float:
    """The logarithm of the probability of all the words."""
    return sum(times * math.log(probability_of(word, probability)) for word, times in words.items())
