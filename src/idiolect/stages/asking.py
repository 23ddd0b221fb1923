"""What the verbs that ask vectors share: word vectors of any kind, or a language model's own, and words as people type
them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idiolect.artifact import Artifact, Provenance
from idiolect.disk import file_record
from idiolect.embeddings.of_models import Found, find, whole_words
from idiolect.embeddings.vectors import Neighbour, Vectors
from idiolect.errors import UsageError
from idiolect.journal import say
from idiolect.language_model import LanguageModel
from idiolect.model_folder import is_model
from idiolect.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class AskingSettings:
    """Asking."""

    n: int = 10
    """How many words to name."""
    restrict: int = 0
    """Look among so many of the most frequent words only; 0: all."""
    embeddings: Literal["input", "output"] = "input"
    """Of a model folder: the vectors its tokens are read as, or those its head compares with."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        if self.n < 1 or self.restrict < 0:
            raise UsageError("n must be at least 1, and restrict at least 0.")


@dataclass(frozen=True)
class Asked:
    """Vectors, and for those of a language model its tokenizer."""

    vectors: Vectors
    tokenizer: Tokenizer | None = None

    @classmethod
    def open(cls, path: Path, side: Literal["input", "output"], restrict: int = 0) -> Asked:
        """Word vectors from a folder or a file, or the embeddings of a model folder.

        Raises:
            VectorsError: it is neither.
        """
        if is_model(path):
            model = LanguageModel.load(path)
            asked = cls(model.vectors(side), model.tokenizer)
        else:
            asked = cls(Vectors.load(path))
        few = 0 < restrict < len(asked.vectors)
        return replace(asked, vectors=asked.vectors.most_frequent(restrict)) if few else asked

    def query(self, word: str) -> Found:
        """A word as its vectors know it; what is not plain about it is said.

        Raises:
            UsageError: it is not there; the sentence offers near spellings.
        """
        if self.tokenizer is None:
            if word not in self.vectors:
                self.vectors.vector(word)  # refuses, with near spellings, where subwords do not make one
                say(f"'{word}' is not among the {len(self.vectors):,} words: its vector is made of its subwords.")
            return Found(word)
        found = find(self.vectors, self.tokenizer, word)
        if found.said:
            say(found.said)
        return found

    @property
    def words(self) -> Vectors:
        """The vectors under plain words: of a model's tokens, those that are words."""
        return self.vectors if self.tokenizer is None else whole_words(self.vectors)


def provenance(path: Path) -> Provenance:
    """Vectors, or a model, as a parent: an artifact, or files from elsewhere."""
    if (path / "manifest.json").is_file():
        return Artifact.open(path).provenance()
    kind = "model" if is_model(path) else "vectors"
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    return files_provenance(kind, files, path.name)


def files_provenance(kind: str, files: list[Path], name: str) -> Provenance:
    """Files from elsewhere as a parent, known by what is in them. Raises UsageError where one cannot be read."""
    try:
        records = [file_record(file) for file in files]
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read ({error.strerror}).") from None
    return {"kind": kind, "name": name, "digest": " ".join(str(one["sha256"]) for one in records), "files": records}


def show(found: list[Neighbour], heading: str) -> None:
    """The words that were found, on standard output."""
    table = Table("word", heading, box=None, pad_edge=False)
    for word, score in found:
        table.add_row(Text(word), f"{score:.4f}")
    Console(highlight=False).print(table)
