"""Vectors that the tests of this room ask."""

from __future__ import annotations

import numpy as np
import pytest

from idiolect.embeddings.vectors import Vectors


def random_vectors(words: int, dim: int, seed: int = 0) -> Vectors:
    matrix = np.random.default_rng(seed).normal(size=(words, dim)).astype(np.float32)
    return Vectors([f"w{number}" for number in range(words)], matrix, np.arange(words, 0, -1))


@pytest.fixture
def vectors() -> Vectors:
    return random_vectors(300, 8)
