"""The textbook on words as vectors: T5, slow, as they are learnt from real text."""

from __future__ import annotations

from pathlib import Path

import pytest

import idiolect
from idiolect.embeddings.linear import RELATIONS, known_pairs, parallelism


@pytest.mark.slow
def test_t5_word_vectors_show_linear_substructure(data_folder: Path, tmp_path: Path) -> None:
    sizes = {"dim": 100, "epochs": 5, "seed": 1, "threads": 1, "validation": 0.0, "test": 0.0}
    vectors = idiolect.embed([str(data_folder / "imdb")], out=tmp_path / "vectors", **sizes)
    assert vectors.analogy("man", "woman", "king", 1)[0].word == "queen"
    for relation in ("gender", "comparative and superlative"):
        steps = parallelism(vectors, known_pairs(vectors, RELATIONS[relation]))
        assert steps.pairs > 0.3 and steps.pairs > steps.shuffled + 0.15
