"""Read, deduplicate, mix and split texts: the first link of the chain, from files to documents.

    sources.py     what was named -> files             mixture.py    several sources in given shares
    decoding.py    bytes -> characters                 splitting.py  train, validation, test
    readers.py     a file -> its documents             gathering.py  a corpus as a folder of shards
    document.py    a document and its parts            pydocs.py     the built-in corpus
    batches.py     texts many at a time, for native code

Everything streams. Memory: a part of a document (about a MiB, `document.py`), a few rows of a parquet file, and with
`deduplicate` about 120 bytes for each distinct document. Time: one pass over the text for each `documents()`; one more,
once, to learn whether there are few documents (it ends at the twentieth).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from idiolect.artifact import Artifact
from idiolect.disk import file_record
from idiolect.errors import CorpusError, UsageError
from idiolect.text import gathering, pydocs
from idiolect.text.batches import Batch, in_batches, parquet_batches
from idiolect.text.decoding import Reading
from idiolect.text.document import Document, StoredDocument
from idiolect.text.mixture import interleave
from idiolect.text.readers import SURROGATE, ending, read_file
from idiolect.text.sources import PYDOCS, Source, resolve
from idiolect.text.splitting import FEW, SPLITS, Split, span_of, split_of

__all__ = ["Corpus", "Document", "Split"]


class Corpus:
    """Texts to learn from: files, folders, patterns, or `@pydocs`, the documentation that comes with Python.

    Plain text (a file is a document), jsonl and parquet (a row is a document), each also packed as .gz or .zst
    (parquet is packed inside). Newlines and spaces stay exactly as they are.

    Args:
        sources: names of files, of folders (read whole), patterns such as "letters/**/*.txt", or "@pydocs".
        text_field: the field of a jsonl row, or the column of a parquet file, that holds the text.
        invalid: for bytes that are not UTF-8, "refuse" (an error with file and offset) or "replace" (by U+FFFD).
        deduplicate: keep only the first of documents whose texts are exactly equal.
        weights: for a mixture, one positive number for each source: its share of the characters. The mixture ends
            when a source runs out. Without weights the sources come whole, one after another.
        validation: share of the documents held out for validation.
        test: share of the documents held out for testing.

    Raises:
        CorpusError: a source does not exist or has nothing to read.
        UsageError: an option is out of range.

    Example:
        >>> corpus = Corpus(["letters/", "diary.txt.gz"], deduplicate=True)
        >>> for document in corpus.documents("train"):
        ...     print(document.fields["source"], len(document.text))
    """

    def __init__(
        self,
        sources: Sequence[str | Path | Source],
        *,
        text_field: str = "text",
        invalid: Literal["refuse", "replace"] = "refuse",
        deduplicate: bool = False,
        weights: Sequence[float] | None = None,
        validation: float = 0.05,
        test: float = 0.05,
    ) -> None:
        if isinstance(sources, str | Path):
            sources = [sources]
        if not sources:
            raise CorpusError(f"No text was named: give a file, a folder, a pattern or {PYDOCS}.")
        _check_options(invalid, weights, len(sources), validation, test)
        self._sources = [s if isinstance(s, Source) else resolve(s) for s in sources]
        self._reading = Reading(text_field, invalid)
        self._deduplicate = deduplicate
        self._weights = None if weights is None else [float(weight) for weight in weights]
        self._validation = validation
        self._test = test
        self._lengths: list[int] | None = None
        self._is_small: bool | None = None
        self._provenance: dict[str, object] | None = None
        self.duplicates = 0
        """How many documents were left out because an equal one came before, in the fullest pass so far."""

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Corpus:
        """A corpus of strings in memory, each a document.

        Raises:
            CorpusError: there is no text, or one holds half of a surrogate pair.
        """
        texts = (texts,) if isinstance(texts, str) else tuple(texts)
        for number, text in enumerate(texts):
            if SURROGATE.search(text):
                raise CorpusError(f"Text {number} has half of a surrogate pair, which is not a character: mend it.")
        return cls([Source("texts", "texts", texts=texts)])

    @property
    def replaced(self) -> int:
        """With `invalid="replace"`, how many U+FFFD stand for what is not UTF-8, in the fullest pass so far."""
        return sum(self._reading.replaced.values())

    def documents(self, split: Split | None = None, shard: tuple[int, int] = (0, 1)) -> Iterator[Document]:
        """The documents, always in the same order; a long one in several parts (`Document.first`, `Document.last`).

        The split of a document follows from the hash of its text. With fewer than 20 documents each text is split by
        position instead: the first 90% of its characters train, the rest validate, and there is no test.

        Args:
            split: "train", "validation" or "test"; None gives all.
            shard: (i, n) gives the documents whose running index is i modulo n, to share the work among n readers.

        Raises:
            CorpusError: there is no text at all, or a file cannot be read (while iterating).
            UsageError: there is no such split or shard.
        """
        self._check_split(split)
        index, count = shard
        if not 0 <= index < count:
            raise UsageError(f"There is no shard {index} of {count}: it must be one of 0 to the number less one.")
        documents = itertools.islice(self._split(split), index, None, count)
        return itertools.chain.from_iterable(documents)

    def assigned(self) -> Iterator[tuple[Split, Document]]:
        """Every document with its split, in one pass: for each split what `documents` gives, in the same order.

        Raises:
            CorpusError: there is no text at all, or a file cannot be read (while iterating).
        """
        lengths = self._few_lengths()
        for number, document in enumerate(self._all()):
            if lengths is None:
                split = split_of(next(document.parts()), validation=self._validation, test=self._test)
                for part in document.documents():
                    yield split, part
            else:
                for split in SPLITS:
                    span = span_of(split, lengths[number], validation=self._validation, test=self._test)
                    if span is not None:
                        for part in document.documents(*span):
                            yield split, part

    def batches(self, split: Split | None = None) -> Iterator[Batch]:
        """The texts of `documents(split)`, many at a time and without their fields: what native code takes quickest.

        Which texts there are, in which order and in which parts, is as in `documents`.

        Raises:
            CorpusError: there is no text at all, or a file cannot be read (while iterating).
            UsageError: there is no such split.
        """
        self._check_split(split)
        few = self._few_lengths() is not None  # and there is some text
        if few or self._deduplicate or self._weights is not None:
            yield from in_batches(self.documents(split))
            return
        for source in self._sources:
            for file in source.files if source.kind == "files" else ():
                if ending(file) == ".parquet":
                    yield from parquet_batches(file, self._reading, split, validation=self._validation, test=self._test)
                else:
                    yield from in_batches(self._of_split(read_file(file, self._reading), split))
            if source.kind != "files":
                yield from in_batches(self._of_split(self._read(source), split))

    def provenance(self) -> dict[str, object]:
        """Where the text comes from, for a manifest: digests of all files and of the options. Reads every file once.

        Returns:
            {"kind": "corpus", "name", "digest", "files": [{"path", "bytes", "sha256"}, ...], "sources": [{"name",
            "kind", "sha256"}, ...], "options": {...}}, all JSON values. The digest covers the files' digests in their
            order and the options, not the paths. A corpus that is one gathered folder is that artifact.
        """
        if len(self._sources) == 1 and self._sources[0].kind == "shards":
            return Artifact.open(self._sources[0].name).provenance()
        if self._provenance is None:
            files: list[dict[str, object]] = []
            sources: list[dict[str, object]] = []
            for source in self._sources:
                own = [_file_record(file) for file in source.files]
                contents = [str(record["sha256"]) for record in own] or [self._content_digest(source)]
                digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()
                sources.append({"name": source.name, "kind": source.kind, "sha256": digest})
                files += own
            options: dict[str, object] = {
                "text_field": self._reading.text_field,
                "invalid": self._reading.invalid,
                "deduplicate": self._deduplicate,
                "weights": self._weights,
                "validation": self._validation,
                "test": self._test,
            }
            identity = json.dumps([[(s["kind"], s["sha256"]) for s in sources], options], sort_keys=True)
            digest = hashlib.sha256(identity.encode()).hexdigest()
            self._provenance = {
                "kind": "corpus",
                "name": ", ".join(Path(source.name).name for source in self._sources),
                "digest": digest,
                "files": files,
                "sources": sources,
                "options": options,
            }
        return self._provenance

    @staticmethod
    def _check_split(split: Split | None) -> None:
        if split not in (None, "train", "validation", "test"):
            raise UsageError(f'There is no split "{split}": choose train, validation or test.')

    def _of_split(self, documents: Iterable[StoredDocument], split: Split | None) -> Iterator[Document]:
        """Those of many documents that are in a split."""
        for document in documents:
            if split is None or split == self._split_of(document):
                yield from document.documents()

    def _split_of(self, document: StoredDocument) -> Split:
        return split_of(next(document.parts()), validation=self._validation, test=self._test)

    def _split(self, split: Split | None) -> Iterator[Iterator[Document]]:
        """The documents of a split, each as its parts."""
        if split is None:
            for document in self._all():
                yield document.documents()
            return
        lengths = self._few_lengths()
        for number, document in enumerate(self._all()):
            if lengths is None:
                if split == self._split_of(document):
                    yield document.documents()
            else:
                span = span_of(split, lengths[number], validation=self._validation, test=self._test)
                if span is not None:
                    yield document.documents(*span)

    def _few_lengths(self) -> list[int] | None:
        """The documents' lengths in characters if they are few, else None. Learnt once."""
        if self._is_small is None:
            self._is_small = sum(1 for _ in itertools.islice(self._all(), FEW)) < FEW
            if self._is_small:
                self._lengths = [document.length() for document in self._all()]
        return self._lengths

    def _all(self) -> Iterator[StoredDocument]:
        """Every document once, deduplicated and mixed."""
        streams = [self._read(source) for source in self._sources]
        if self._deduplicate:
            streams = self._without_duplicates(streams)
        documents: Iterator[StoredDocument]
        if self._weights is None:
            documents = itertools.chain.from_iterable(streams)
        else:
            documents = interleave(streams, self._weights)
        first = next(documents, None)
        if first is None:
            names = ", ".join(source.name for source in self._sources)
            raise CorpusError(f"There is no text in {names}: name files that hold some.")
        yield from itertools.chain((first,), documents)

    def _without_duplicates(self, streams: Sequence[Iterator[StoredDocument]]) -> list[Iterator[StoredDocument]]:
        """The streams without the documents that came before, in the same stream or in another."""
        seen: set[bytes] = set()
        dropped = itertools.count(1)

        def is_new(document: StoredDocument) -> bool:
            digest = document.digest()
            if digest in seen:
                self.duplicates = max(self.duplicates, next(dropped))
                return False
            seen.add(digest)
            return True

        return [filter(is_new, stream) for stream in streams]

    def _read(self, source: Source) -> Iterator[StoredDocument]:
        match source.kind:
            case "files":
                for file in source.files:
                    yield from read_file(file, self._reading)
            case "shards":
                for file in source.files:
                    yield from gathering.read_shard(file)
            case "pydocs":
                for document in pydocs.documents():
                    yield StoredDocument.of(document.text, {"source": PYDOCS, **document.fields})
            case "texts":
                for text in filter(None, source.texts):
                    yield StoredDocument.of(text, {})

    def _content_digest(self, source: Source) -> str:
        """What stands for a source without files: its documents, and the Python that the built-in ones come from."""
        state = hashlib.sha256(platform.python_version().encode() if source.kind == "pydocs" else b"")
        for document in self._read(source):
            state.update(document.digest())
            state.update(json.dumps(document.fields, sort_keys=True).encode())
        return state.hexdigest()


def _file_record(file: Path) -> dict[str, object]:
    try:
        return file_record(file)
    except OSError as error:
        raise CorpusError(f"{file} cannot be read: {error.strerror or error}.") from None


def _check_options(invalid: str, weights: Sequence[float] | None, sources: int, validation: float, test: float) -> None:
    if invalid not in ("refuse", "replace"):
        raise UsageError(f'invalid is "{invalid}": choose "refuse" or "replace".')
    for name, share in (("validation", validation), ("test", test)):
        if not 0 <= share < 1:
            raise UsageError(f"{name} is {share}: it is a share of the documents, from 0 up to 1.")
    if validation + test >= 1:
        raise UsageError(
            f"validation + test is {validation + test}: it must be less than 1, to leave some for training."
        )
    if weights is not None and len(weights) != sources:
        raise UsageError(f"There are {len(weights)} weights for {sources} sources: give one for each.")
    for weight in weights or ():
        if not (math.isfinite(weight) and weight > 0):
            raise UsageError(f"A weight is {weight}: each must be a positive number.")
