"""Phrases: words that follow each other far more often than by chance become one word, `new_york`.

Each pass joins pairs (native/embed_phrases), so that n passes make phrases of up to 2^n words. Words that occur too
seldom once their phrases are taken from them are left out.

Cost: each pass reads the stream of ids twice and writes it twice. Memory: 128 MB at most for the
pairs, and as much again while the rarest are forgotten.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import numpy as np

from idiolect._native import EMBED_BLOCK, PairCounter, PhraseJoiner
from idiolect.embeddings.words import RARE, STRETCH, Ids, Vocabulary, WordStream, check_words

JOINT: Final = "_"


def join_phrases(stream: WordStream, folder: Path, *, threshold: float, least: int) -> WordStream:
    """One pass: the stream with its phrases joined, in another folder.

    Args:
        stream: words as ids.
        folder: where the new stream is written.
        threshold: how often a pair must occur, as a multiple of what chance would have, to be a phrase.
        least: how often it must occur, and any word to be kept.

    Raises:
        CorpusError: fewer than two different words are left.
    """
    vocabulary = stream.vocabulary
    counter = PairCounter()
    for ids in stream.stretches():
        counter.add(ids)
    pairs = counter.phrases(vocabulary.counts, least, threshold)
    joiner = PhraseJoiner(pairs, len(vocabulary))
    words = vocabulary.words + [vocabulary.words[a] + JOINT + vocabulary.words[b] for a, b in pairs]
    counts = np.zeros(len(words), np.int64)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / stream.path.name
    with open(path, "wb") as file:
        for ids in stream.stretches():
            joined = joiner.join(ids)
            counts += np.bincount(joined[joined >= 0], minlength=len(words))
            file.write(joined.astype("<i4", copy=False).data)
    # The same name may stand for two phrases, such as a_b + c and a + b_c, or be a word of the text: the first has it.
    first = {word: place for place, word in reversed(list(enumerate(words)))}
    owner = np.array([first[word] for word in words])
    counts = np.bincount(owner, weights=counts, minlength=len(words)).astype(np.int64)
    kept = np.flatnonzero(counts >= least)
    kept = kept[np.argsort(-counts[kept], kind="stable")]
    places = np.full(len(words), RARE, np.int32)
    places[kept] = np.arange(len(kept), dtype=np.int32)
    kept_ones = Vocabulary([words[place] for place in kept], counts[kept], vocabulary.missing)
    check_words(kept_ones, least)
    _renumber(path, places[owner])
    return WordStream.finish(folder, kept_ones)


def _renumber(path: Path, numbers: Ids) -> None:
    """Give the ids of a file, but for negative ones, other numbers."""
    with open(path, "r+b") as file:
        while len(ids := np.fromfile(file, "<i4", STRETCH * EMBED_BLOCK)):
            ids[ids >= 0] = numbers[ids[ids >= 0]]
            file.seek(-ids.nbytes, os.SEEK_CUR)
            file.write(ids.data)
