"""Word vectors asked and read, beside gensim: both sides in one run, in turn, the ratio of medians.

    python benchmarks/vectors.py [VECTORS] [--questions questions-words.txt]
    python benchmarks/vectors.py --rows 2000000

VECTORS is any file or folder that `Vectors.load` reads; without it, random vectors are made (100,000 words of 100
dimensions). With --rows, so many random rows are asked where they lie in their files, beside gensim's, which are mapped
too, and beside a plain product with NumPy; 2,000,000 take 1.7 GB of disk and 2.5 GB of memory while they are made.
Needs gensim (the extra `test`). One thread unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
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


def memory() -> str:
    """The most memory that this process has held."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"


def make_large(folder: Path, rows: int) -> None:
    """Random vectors in our format and in gensim's."""
    matrix = np.random.default_rng(0).standard_normal((rows, 100), dtype=np.float32)
    vectors = Vectors([f"w{number}" for number in range(rows)], matrix)
    vectors.save(folder / "v")
    theirs = KeyedVectors(100)
    theirs.vectors, theirs.index_to_key = matrix, vectors.words
    theirs.key_to_index = {word: row for row, word in enumerate(vectors.words)}
    theirs.expandos = {}
    theirs.fill_norms()
    theirs.save(str(folder / "kv"))


def large(rows: int) -> None:
    """Millions of rows, each side from its files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = multiprocessing.get_context("spawn").Process(target=make_large, args=(folder, rows))
        made.start()
        made.join()
        print(f"{rows:,} words of 100 dimensions\n")
        print("| job | ours, s | gensim, s | ratio | of single rounds |\n|---|---|---|---|---|")

        def ours() -> Vectors:
            return Vectors.load(folder / "v")

        def theirs() -> KeyedVectors:
            return KeyedVectors.load(str(folder / "kv"), mmap="r")

        compare("open", ours, theirs, 3)
        compare("open, and ask once", lambda: ours().neighbours("w7"), lambda: theirs().most_similar("w7"), 3)
        mine, other = ours(), theirs()
        some = [f"w{number}" for number in range(1000, 1256)]
        compare("10 neighbours of one word", lambda: mine.neighbours("w7"), lambda: other.most_similar("w7"), 7)
        many, few = (
            seconds(lambda: mine.neighbours_batch(some)),
            seconds(lambda: [other.most_similar(w) for w in some[:16]]),
        )
        print(f"| 10 neighbours of 256 words | {many:.4f} | {few * 16:.4f}, by 16 | {few * 16 / many:.1f} | |")
        assert [one.word for one in mine.neighbours("w7")] == [word for word, _ in other.most_similar("w7")]
        compare("... beside one product with NumPy", lambda: mine.neighbours("w7"), lambda: plain(mine, ["w7"]), 7)
        compare("... of 256 words", lambda: mine.neighbours_batch(some), lambda: plain(mine, some), 3)
        print(f"\nThis process held {memory()} at most, the mapped files among it.")


def plain(vectors: Vectors, words: list[str]) -> None:
    """What a person would write with NumPy, in blocks that fit into memory: products and ten places."""
    asked_DQ = vectors.units([vectors.row(word) for word in words]).astype(np.float32).T
    for start in range(0, len(vectors), 100_000):
        scores_BQ = vectors.matrix[start : start + 100_000] @ asked_DQ
        np.argpartition(-scores_BQ, 10, axis=0)[:10]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("vectors", type=Path, nargs="?")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    if given.rows:
        large(given.rows)
        return
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
