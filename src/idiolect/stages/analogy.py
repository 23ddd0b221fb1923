"""`analogy`: a is to b as c is to what? Answered by word vectors, or by a language model's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idiolect.config import verb
from idiolect.embeddings.analogies import Method
from idiolect.embeddings.vectors import Neighbour
from idiolect.stages.asking import Asked, AskingSettings, show


@dataclass(frozen=True)
class AnalogySettings(AskingSettings):
    """Analogies."""

    method: Method = "3CosAdd"
    """How it is answered: nearest to b - a + c, or by products of cosines (Levy & Goldberg 2014)."""


@verb
def analogy(vectors: Path, a: str, b: str, c: str, settings: AnalogySettings) -> list[Neighbour]:
    """Answer what is to C as B is to A: man, woman, king gives queen.

    Of a model folder the vectors are its tokens', and it is said which tokens the words are read as.

    Example:
        >>> idiolect.analogy("vectors", "man", "woman", "king", n=1)
        [Neighbour(word='queen', score=0.71)]
    """
    asked = Asked.open(vectors, settings.embeddings, settings.restrict)
    queries = [asked.query(word) for word in (a, b, c)]
    first, second, third = (one.query for one in queries)
    pieces = [piece for one in queries for piece in one.pieces]
    found = asked.vectors.analogy(first, second, third, settings.n, method=settings.method, without=pieces)
    show(found, "cosine" if settings.method == "3CosAdd" else "product")
    return found
