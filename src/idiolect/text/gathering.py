"""A corpus as a folder of shards: written once from many files, read again with the same documents and fields.

A shard is `documents-00000.jsonl.zst` and so on. A line is one part of a document: {"text", "fields"}, and
"last": false where the next line goes on with the same document. Shards end between documents, after about 64 million
characters. Both ways stream.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from idiolect.errors import ArtifactError, CorpusError
from idiolect.text.decoding import Reading
from idiolect.text.document import Document, StoredDocument
from idiolect.text.readers import numbered_lines, parse_row

if TYPE_CHECKING:
    from idiolect.text.corpus import Corpus

SHARD = 64 << 20
"""Characters after which a shard ends with the document."""


def write_documents(corpus: Corpus, folder: Path) -> dict[str, int]:
    """Write all documents of a corpus into an existing folder, as shards.

    Returns:
        {"documents", "characters", "bytes" (of UTF-8), "shards"}: how many were written.

    Raises:
        CorpusError: the corpus is empty or cannot be read.
        ArtifactError: the folder cannot be written.
    """
    counts = {"documents": 0, "characters": 0, "bytes": 0, "shards": 0}
    for shard, numbered in itertools.groupby(_numbered(corpus.documents()), key=itemgetter(0)):
        file = folder / f"documents-{shard:05d}.jsonl.zst"
        try:
            with open(file, "wb") as raw, zstandard.ZstdCompressor(write_checksum=True).stream_writer(raw) as packed:
                for _, document in numbered:
                    packed.write(_line(document))
                    counts["documents"] += document.first
                    counts["characters"] += len(document.text)
                    counts["bytes"] += len(document.text.encode())
        except OSError as error:
            raise ArtifactError(f"{file} cannot be written: {error.strerror or error}.") from None
        counts["shards"] += 1
    return counts


def read_shard(file: Path) -> Iterator[StoredDocument]:
    """The documents of a shard, with the fields they had when it was written.

    Raises:
        CorpusError: the shard is missing or damaged.
    """
    rows = _rows(file)
    for number, part in rows:
        if part.last:
            yield StoredDocument.of(part.text, part.fields)
        else:  # too long to hold: it is read again from where it begins
            yield StoredDocument(part.fields, partial(_parts_from, file, number))
            if not any(following.last for _, following in rows):
                raise CorpusError(f"{file} is damaged: it ends in the middle of a document. Gather the corpus again.")


def _parts_from(file: Path, first: int) -> Iterator[str]:
    """The text of the document that begins on line `first` of a shard."""
    for number, part in _rows(file):
        if number >= first:
            yield part.text
            if part.last:
                return


def _rows(file: Path) -> Iterator[tuple[int, Document]]:
    for number, line in numbered_lines(file, Reading(text_field="text", invalid="refuse")):
        match parse_row(file, number, line):
            case {"text": str(text), "fields": dict(fields), **rest} if text:
                yield number, Document(text, fields, last=rest.get("last", True) is True)
            case _:
                raise CorpusError(f"{file} is damaged: line {number} is no document. Gather the corpus again.")


def _line(document: Document) -> bytes:
    row: dict[str, object] = {"text": document.text, "fields": dict(document.fields)}
    if not document.last:
        row["last"] = False
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _numbered(documents: Iterator[Document]) -> Iterator[tuple[int, Document]]:
    """Each part with the number of the shard it goes to."""
    shard = written = 0
    for document in documents:
        if document.first and written >= SHARD:
            shard += 1
            written = 0
        written += len(document.text)
        yield shard, document
