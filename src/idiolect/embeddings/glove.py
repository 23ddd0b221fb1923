"""GloVe: vectors whose products are the logarithms of how often words meet (Pennington, Socher & Manning 2014).

The loop, its journal and its checkpoints are those of `learning`; a chunk is a million pairs, which the native core
takes in both directions, shuffled; each epoch takes the chunks in another order. The pairs lie on disk in a random
order (`cooccurrence`). There is one result for any number of threads. The vector of a word is w + c, its rows as word
and as context.

Memory: 16 bytes a number of each word, a chunk of pairs (30 MB), and the vectors that come out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from idiolect._native import GloveModel, Trained
from idiolect.embeddings.cooccurrence import Cooccurrences
from idiolect.embeddings.learning import LearningSettings, Learnt, memory_used, train_in_chunks

CHUNK: Final = 1 << 20
"""Pairs between two looks at the clock."""


def learn_glove(pairs: Cooccurrences, settings: LearningSettings, folder: Path) -> Learnt:
    """Learn vectors of words that meet; a run found in the folder goes on.

    Args:
        pairs: how often they meet.
        settings: dim, epochs, lr, x_max, seed, threads, checkpoint_every.
        folder: for the journal and the checkpoints.

    Raises:
        Interrupted: it was asked to stop; what it had done is saved.
        ArtifactError: the checkpoint that it would go on from is damaged.

    Example:
        >>> pairs = Cooccurrences.count(folder / "pairs", stream, window=15, memory=128 << 20)
        >>> learn_glove(pairs, LearningSettings(dim=100), folder).matrix_VD
    """
    settings = settings.of_kind("glove")
    model = GloveModel(pairs.words, settings.dim, rate=settings.lr, x_max=settings.x_max, seed=settings.seed)
    chunks = -(-pairs.length // CHUNK)

    def chunk(epoch: int, first: int, last: int) -> Trained:
        number = int(np.random.default_rng([settings.seed, epoch]).permutation(chunks)[first // CHUNK])
        given = pairs.read(number * CHUNK, min((number + 1) * CHUNK, pairs.length))
        return model.train(given, epoch, number, threads=settings.threads)

    state = train_in_chunks(
        chunk,
        (model.rows,),
        settings,
        folder,
        length=pairs.length,
        size=CHUNK,
        result_bytes=4 * pairs.words * settings.dim + 28 * min(CHUNK, pairs.length),
        unit="pairs",
    )
    return Learnt(model.vectors(0, pairs.words), None, state, memory_used())


def glove_memory_needed(words: int, dim: int) -> int:
    """Bytes that training holds: the rows, their squares, and the vectors that come out."""
    return 4 * words * (4 * (-(-(dim + 2) // 16) * 16) + dim)
