"""Texts many at a time, for native code: without an object for each row of a parquet file.

`Corpus.documents` costs some 10 µs a document, which for short documents is more than counting their words does. Here a
batch is either a list of strings or `Rows`, places in the buffer that holds a parquet column. Rows are looked at
natively, and in the same way: those of another split, by the same hash, are left out, and bytes that are not UTF-8 are
left to the reader of single rows, which refuses or replaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as arrow

from idiolect._native import first_invalid, hashes
from idiolect.text.decoding import Reading
from idiolect.text.document import PART, Document, StoredDocument
from idiolect.text.readers import decode_cell, open_parquet
from idiolect.text.splitting import Split, split_of, splits_of

CHARACTERS = 4 << 20
"""A list of texts has about so many characters."""

PARQUET_ROWS = 1024
"""Rows of a parquet file in a batch: some MB, so that the next batch takes the memory of the last."""


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts in one buffer: text n is `data[begins[n] : ends[n]]`, in UTF-8."""

    data: npt.NDArray[np.uint8]
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def texts(self) -> list[str]:
        """The texts as strings."""
        data = self.data.tobytes()
        return [data[begin:end].decode() for begin, end in zip(self.begins.tolist(), self.ends.tolist())]


Batch = list[str] | Rows


def gathered(items: Iterable[Item], size: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """The items in lists: each ends with the item by which the sizes in it come to `most`.

    Example:
        >>> list(gathered(["ab", "c", "d"], len, 3))
        [['ab', 'c'], ['d']]
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        if total >= most:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def in_batches(documents: Iterable[Document]) -> Iterator[list[str]]:
    """The texts of documents (each part of a long one is a text), gathered into lists."""
    return gathered((document.text for document in documents), len, CHARACTERS)


def parquet_batches(
    file: Path, reading: Reading, split: Split | None, *, validation: float, test: float
) -> Iterator[Batch]:
    """The texts of a parquet file that are in a split, as `readers.read_file` and `splitting.split_of` have it."""
    first_row = 1
    for column in open_parquet(file, reading, PARQUET_ROWS):
        rows = _rows(column)
        long = np.flatnonzero(rows.ends - rows.begins >= PART).tolist()
        if long or first_invalid(rows.data, rows.begins, rows.ends) < len(rows.begins):
            yield from _one_by_one(file, reading, rows, first_row, split, validation, test)
        else:
            kept = np.flatnonzero(_in_split(rows, split, validation, test))
            yield Rows(rows.data, rows.begins[kept], rows.ends[kept])
        first_row += len(rows.begins)


def _rows(column: arrow.Array) -> Rows:
    """The texts of a column of large binaries; one that is null is empty."""
    if column.null_count:
        column = column.fill_null(b"")
    _, places, data = column.buffers()
    offsets = np.frombuffer(places, np.int64)[column.offset : column.offset + len(column) + 1]
    bytes_of_texts = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    return Rows(bytes_of_texts, offsets[:-1].copy(), offsets[1:].copy())


def _in_split(rows: Rows, split: Split | None, validation: float, test: float) -> npt.NDArray[np.bool_]:
    if split is None:
        return np.ones(len(rows.begins), np.bool_)
    return splits_of(hashes(rows.data, rows.begins, rows.ends), split, validation=validation, test=test)


def _one_by_one(
    file: Path, reading: Reading, rows: Rows, first_row: int, split: Split | None, validation: float, test: float
) -> Iterator[list[str]]:
    """Rows among which some are long, so that they come in parts, or are not UTF-8."""
    for number, (begin, end) in enumerate(zip(rows.begins.tolist(), rows.ends.tolist()), start=first_row):
        text = decode_cell(file, number, rows.data[begin:end].tobytes(), reading)
        if not text:
            continue
        stored = StoredDocument.of(text, {})
        if split is None or split == split_of(next(stored.parts()), validation=validation, test=test):
            yield [part.text for part in stored.documents()]
