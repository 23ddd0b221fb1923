"""`neighbours`: the words nearest to a word, among word vectors or a language model's tokens."""

from __future__ import annotations

from pathlib import Path

from idiolect.config import verb
from idiolect.embeddings.vectors import Neighbour
from idiolect.stages.asking import Asked, AskingSettings, show


@verb
def neighbours(vectors: Path, word: str, settings: AskingSettings) -> list[Neighbour]:
    """Name the words whose vectors are nearest to a word's.

    Of a model folder the vectors are its tokens', and it is said which token the word is read as.

    Example:
        >>> idiolect.neighbours("vectors", "king", n=2)
        [Neighbour(word='prince', score=0.78), Neighbour(word='queen', score=0.74)]
    """
    asked = Asked.open(vectors, settings.embeddings, settings.restrict)
    query = asked.query(word)
    found = asked.vectors.neighbours(query.query, settings.n, without=query.pieces)
    show(found, "cosine")
    return found
