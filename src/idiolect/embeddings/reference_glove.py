"""What GloVe learns from one pair, in plain NumPy and float64: the oracle of `native/embed_glove`; and the counting of
pairs that meet, in plain Python: the oracle of `native/embed_cooccurrence`.

For words i and j that meet with weight x (Pennington et al. 2014, equations 8 and 9)

    loss = f(x) e^2 / 2    e = w_i · c_j + b_i + d_j - log x    f(x) = min(1, x / x_max)^0.75

Cost: for tests only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Parameters:
    """What is learnt, or one number for each of these: a gradient, a sum of squares."""

    words_VD: Floats
    contexts_VD: Floats
    word_bias_V: Floats
    context_bias_V: Floats

    def all(self) -> list[Floats]:
        """The four arrays."""
        return [self.words_VD, self.contexts_VD, self.word_bias_V, self.context_bias_V]


def glove_gradients(
    parameters: Parameters, word: int, context: int, weight: float, x_max: float
) -> tuple[float, Parameters]:
    """The loss of a pair and its gradients.

    Example:
        >>> loss, gradients = glove_gradients(parameters, word=3, context=7, weight=2.5, x_max=100)
    """
    w_D, c_D = parameters.words_VD[word], parameters.contexts_VD[context]
    error = float(w_D @ c_D + parameters.word_bias_V[word] + parameters.context_bias_V[context] - np.log(weight))
    share = min(1.0, weight / x_max) ** 0.75
    gradients = Parameters(*map(np.zeros_like, parameters.all()))
    gradients.words_VD[word] = share * error * c_D
    gradients.contexts_VD[context] = share * error * w_D
    gradients.word_bias_V[word] = gradients.context_bias_V[context] = share * error
    return share * error**2 / 2, gradients


def adagrad(parameters: Parameters, squares: Parameters, gradients: Parameters, lr: float) -> None:
    """A step of AdaGrad, in place; `squares` begin at 1 and are of the gradients times the rate."""
    for parameter, square, gradient in zip(parameters.all(), squares.all(), gradients.all()):
        parameter -= lr * gradient / np.sqrt(square)
        square += (lr * gradient) ** 2


def count_pairs(texts: Sequence[Sequence[int]], window: int) -> dict[tuple[int, int], float]:
    """The weights of all pairs (i, j) of words, in each direction.

    Example:
        >>> count_pairs([[0, 1, 2]], window=2)
        {(1, 0): 1.0, (0, 1): 1.0, (2, 1): 1.0, (1, 2): 1.0, (2, 0): 0.5, (0, 2): 0.5}
    """
    weights: dict[tuple[int, int], float] = defaultdict(float)
    for text in texts:
        for place, word in enumerate(text):
            for distance in range(1, min(window, place) + 1):
                other = text[place - distance]
                weights[word, other] += 1 / distance
                weights[other, word] += 1 / distance
    return dict(weights)
