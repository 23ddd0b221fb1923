"""Words for word vectors: what a word is, how often each occurs, and a corpus as a stream of their ids on disk.

Words come by a rule (native/embed_words), or are the tokens of a trained tokenizer. A corpus is read twice: once to
count its words, once to write their ids (int32) into a file, from which every epoch is read a stretch at a time. In the
file -1 stands after each text, and -2 for a word that is not kept.

    <folder>/ids.i32            the stream
    <folder>/vocabulary.json    words and counts, the most frequent first; written last, so that where it is, all is

Cost: two passes over the text, in threads. Memory: some megabytes of text, and the table of all different words, whose
rarest are forgotten where it would take more than `COUNTING` bytes (no count is then wrong by more than
`Vocabulary.missing`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
import regex
from numpy.typing import NDArray

from idiolect._native import EMBED_BLOCK, WordCounter, WordIds, count_words, cut_words, frequent_words
from idiolect.disk import flush, write_durably
from idiolect.errors import CorpusError
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.counting import as_strings

Rule = Literal["letters", "words", "spaces"]
Ids = NDArray[np.int32]

COUNTING: Final = 96 << 20
END_OF_TEXT: Final = -1
RARE: Final = -2
STRETCH: Final = 64
"""Blocks of ids that are read at a time."""
_STREAM, _VOCABULARY = "ids.i32", "vocabulary.json"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that are kept, the most frequent first."""

    words: list[str]
    counts: NDArray[np.int64]
    missing: int = 0
    """No count is too low by more than this; 0 unless there were more different words than memory holds."""

    def __len__(self) -> int:
        return len(self.words)


def check_words(vocabulary: Vocabulary, least: int) -> None:
    """Refuse fewer than two words. Raises CorpusError."""
    if len(vocabulary) < 2:
        raise CorpusError(
            f"Fewer than two different words occur {least} times or more in this text: give more text, or a lower "
            f"--min-count."
        )


class Words(Protocol):
    """What a word is."""

    tokenizer: str
    """The fingerprint of the tokenizer whose tokens they are; empty: they come by a rule."""

    def count(self, corpus: Corpus, least: int) -> Vocabulary:
        """The words of the training texts that occur `least` times or more."""

    def ids(self, corpus: Corpus, vocabulary: Vocabulary) -> Iterator[Ids]:
        """The training texts as places in the vocabulary, in stretches."""


PATTERNS: Final = {
    "letters": regex.compile(r"[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*"),
    "words": regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*"),
    "spaces": regex.compile(r"\S+"),
}
"""What the native rules find, of texts as they are."""


class RuleWords:
    """Words by a rule.

    Args:
        rule: "letters" (letters, and apostrophes between them), "words" (also digits, and hyphens between them) or
            "spaces" (whatever stands between spaces).
        lowercase: make capitals small letters first.
        threads: how many; 0: as many as this process may use. They change nothing.

    Example:
        >>> RuleWords("letters").cut("Don’t watch 'Alien 3'!")
        ["don't", 'watch', 'alien']
    """

    tokenizer = ""

    def __init__(self, rule: Rule = "letters", *, lowercase: bool = True, threads: int = 0) -> None:
        self.rule: Rule = rule
        self._lowercase = lowercase
        self._threads = threads

    def cut(self, text: str) -> list[str]:
        """The words of a text."""
        return [word.decode() for word in cut_words(self.rule, self._prepared(text).encode())]

    def places(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Each word of a text, where it begins, and the place behind it (characters of the text as it is given).

        It costs some 30 times what counting does: a model that reads the words costs far more.

        Example:
            >>> list(RuleWords("letters").places("Don’t watch"))
            [("don't", 0, 5), ('watch', 6, 11)]
        """
        for match in PATTERNS[self.rule].finditer(text):
            yield self._prepared(match[0]), match.start(), match.end()

    def count(self, corpus: Corpus, least: int) -> Vocabulary:
        return self.count_texts(map(as_strings, corpus.batches("train")), least)

    def count_texts(self, batches: Iterable[list[str]], least: int) -> Vocabulary:
        """The words of texts that occur `least` times or more."""
        counter = WordCounter("none", self._threads, COUNTING)
        for texts in batches:
            count_words(counter, self.rule, [self._prepared(text) for text in texts])
        counted = counter.finish()
        words, counts = frequent_words(counted, least)
        return Vocabulary([word.decode() for word in words], counts, counted.missing)

    def ids(self, corpus: Corpus, vocabulary: Vocabulary) -> Iterator[Ids]:
        known = WordIds([word.encode() for word in vocabulary.words])
        for texts in self._texts(corpus):
            yield known.ids(self.rule, texts, self._threads)

    def _texts(self, corpus: Corpus) -> Iterator[list[str]]:
        for batch in corpus.batches("train"):
            yield [self._prepared(text) for text in as_strings(batch)]

    def _prepared(self, text: str) -> str:
        if self._lowercase:
            text = text.lower()
        return text if self.rule == "spaces" else text.replace("’", "'")


class TokenWords:
    """The tokens of a tokenizer, as words, by the names that `of_models.token_names` gives them."""

    def __init__(self, tokenizer: Tokenizer, *, threads: int = 0) -> None:
        from idiolect.embeddings.of_models import token_names  # it brings torch, which words by a rule do without

        self._tokenizer = tokenizer
        self._threads = threads
        self._names = token_names(tokenizer, tokenizer.vocab_size)
        self.tokenizer = tokenizer.fingerprint()

    def count(self, corpus: Corpus, least: int) -> Vocabulary:
        counts = np.zeros(self._tokenizer.vocab_size, np.int64)
        for ids, _ in self._encoded(corpus):
            counts += np.bincount(ids, minlength=len(counts))
        kept = np.flatnonzero(counts >= least)
        kept = kept[np.argsort(-counts[kept], kind="stable")]
        return Vocabulary([self._names[token] for token in kept.tolist()], counts[kept])

    def ids(self, corpus: Corpus, vocabulary: Vocabulary) -> Iterator[Ids]:
        places = {word: place for place, word in enumerate(vocabulary.words)}
        place_of = np.array([places.get(name, RARE) for name in self._names], np.int32)
        for ids, starts in self._encoded(corpus):
            yield np.insert(place_of[ids], starts[1:], END_OF_TEXT)

    def _encoded(self, corpus: Corpus) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
        for batch in corpus.batches("train"):
            yield self._tokenizer.encode_many(as_strings(batch), threads=self._threads)


@dataclass(frozen=True, slots=True)
class WordStream:
    """A corpus as ids on disk."""

    path: Path
    vocabulary: Vocabulary
    length: int
    """Ids in the file, ends of texts and rare words among them."""

    @property
    def blocks(self) -> int:
        """How many blocks of training the stream has."""
        return -(-self.length // EMBED_BLOCK)

    def read(self, first: int, last: int) -> Ids:
        """The ids of the blocks from `first` to before `last`."""
        return np.fromfile(self.path, "<i4", count=(last - first) * EMBED_BLOCK, offset=first * EMBED_BLOCK * 4).astype(
            np.int32, copy=False
        )

    def stretches(self) -> Iterator[Ids]:
        """All ids, a million at a time."""
        for first in range(0, self.blocks, STRETCH):
            yield self.read(first, first + STRETCH)

    @classmethod
    def write(cls, folder: Path, corpus: Corpus, words: Words, least: int) -> WordStream:
        """Count the words of a corpus and write it as ids.

        Raises:
            CorpusError: fewer than two different words occur often enough.
        """
        folder.mkdir(parents=True, exist_ok=True)
        vocabulary = words.count(corpus, least)
        check_words(vocabulary, least)
        with open(folder / _STREAM, "wb") as file:
            for ids in words.ids(corpus, vocabulary):
                file.write(ids.astype("<i4", copy=False).data)
        return cls.finish(folder, vocabulary)

    @classmethod
    def finish(cls, folder: Path, vocabulary: Vocabulary) -> WordStream:
        """Have a stream that was written on the disk, and its vocabulary beside it."""
        flush(folder / _STREAM)
        record = {"words": vocabulary.words, "counts": vocabulary.counts.tolist(), "missing": vocabulary.missing}
        write_durably(folder / _VOCABULARY, json.dumps(record, ensure_ascii=False))
        return cls(folder / _STREAM, vocabulary, (folder / _STREAM).stat().st_size // 4)

    @classmethod
    def open(cls, folder: Path) -> WordStream | None:
        """The stream in a folder, if one was written to its end."""
        if not (folder / _VOCABULARY).exists():
            return None
        record = json.loads((folder / _VOCABULARY).read_text(encoding="utf-8"))
        vocabulary = Vocabulary(record["words"], np.array(record["counts"], np.int64), record["missing"])
        return cls(folder / _STREAM, vocabulary, (folder / _STREAM).stat().st_size // 4)
