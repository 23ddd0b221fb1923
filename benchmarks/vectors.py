"""Word vectors asked and read, beside gensim: both sides in one run, in turn, the ratio of medians.

    python benchmarks/vectors.py [VECTORS] [--questions questions-words.txt]

VECTORS is any file or folder that `Vectors.load` reads; without it, random vectors are made (100,000 words of 100
dimensions). Needs gensim (the extra `test`). One thread unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from gensim.models import KeyedVectors

from idiolect.embeddings.vectors import Vectors
from idiolect.evaluation.word_analogies import measure_analogies


def seconds(job: Callable[[], object]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> None:
    """Print a row of the table: medians, ratio, and the range of the ratios of single rounds."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(side) for side in zip(*pairs))
    ratios = [pair[1] / pair[0] for pair in pairs]
    print(f"| {name} | {mine:.4f} | {other:.4f} | {other / mine:.1f} | {min(ratios):.1f} to {max(ratios):.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("vectors", type=Path, nargs="?")
    parser.add_argument("--questions", type=Path)
    given = parser.parse_args()
    if given.vectors:
        vectors = Vectors.load(given.vectors)
    else:
        matrix = np.random.default_rng(0).normal(size=(100_000, 100)).astype(np.float32)
        vectors = Vectors([f"w{number}" for number in range(len(matrix))], matrix)
    theirs = KeyedVectors(vectors.dim)
    theirs.add_vectors(vectors.words, np.array(vectors.matrix))
    theirs.fill_norms()
    some = vectors.words[100:356]
    print(f"{len(vectors):,} words of {vectors.dim} dimensions\n")
    print("| job | ours, s | gensim, s | ratio | of single rounds |\n|---|---|---|---|---|")
    compare(
        "10 neighbours of one word",
        lambda: vectors.neighbours(some[0]),
        lambda: theirs.most_similar(some[0]),
        15,
    )
    compare(
        "10 neighbours of 256 words",
        lambda: vectors.neighbours_batch(some),
        lambda: [theirs.most_similar(word) for word in some],
        3,
    )
    with tempfile.TemporaryDirectory() as folder:
        text, binary, own = Path(folder, "v.txt"), Path(folder, "v.bin"), Path(folder, "v")
        vectors.export(text)
        vectors.export(binary, "word2vec-binary")
        vectors.save(own)
        compare("read text", lambda: Vectors.load(text), lambda: KeyedVectors.load_word2vec_format(text), 3)
        compare(
            "read binary",
            lambda: Vectors.load(binary),
            lambda: KeyedVectors.load_word2vec_format(binary, binary=True),
            3,
        )
        theirs.save(str(Path(folder, "kv")))
        compare(
            "open own format",
            lambda: Vectors.load(own),
            lambda: KeyedVectors.load(str(Path(folder, "kv")), mmap="r"),
            5,
        )
    if given.questions:
        compare(
            "analogies by section",
            lambda: measure_analogies(vectors, given.questions),
            lambda: theirs.evaluate_word_analogies(str(given.questions)),
            1,
        )


if __name__ == "__main__":
    main()
