"""Encoding whole files: the documents of whatever `idiolect.text` reads, to arrays of ids.

A plain text file is mapped into memory and encoded where it lies. Documents of packed files and rows are gathered
until there is enough work for all threads. Cost: the ids, 4 bytes each (twice that for a moment where there are several
batches), and some tens of MB of text.
"""

from __future__ import annotations

import codecs
import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from idiolect.errors import CorpusError, TokenizerError
from idiolect.text.batches import gathered
from idiolect.text.corpus import Corpus
from idiolect.text.decoding import COMPRESSED, HEAD, Reading, characters, refuse_binary
from idiolect.text.readers import ending, read_file
from idiolect.text.sources import ROWS, resolve

if TYPE_CHECKING:
    from idiolect.tokenizers.base import Ids, Places, Text, Tokenizer

_BATCH = 32 << 20  # characters of text that are gathered before they are encoded
_MAPPED = 256  # files that are mapped at once
_SMALL = 1 << 16  # bytes of a file that is read rather than mapped


def encode_files(
    tokenizer: Tokenizer,
    paths: str | Path | Sequence[str | Path],
    *,
    text_field: str,
    invalid: Literal["refuse", "replace"],
    threads: int,
) -> tuple[Ids, Places]:
    """Ids and starts of the documents, as `Tokenizer.encode_files` documents it."""
    paths = [paths] if isinstance(paths, str | Path) else paths
    reading = Reading(text_field, invalid)
    ids: list[Ids] = []
    starts: list[Places] = [np.zeros(1, np.int64)]
    for batch in gathered(_documents(paths, reading), _size, _BATCH):
        own_ids, own_starts = _encode(tokenizer, batch, reading, threads)
        starts.append(own_starts[1:] + sum(map(len, ids)))
        ids.append(own_ids)
    whole = ids[0] if len(ids) == 1 else np.concatenate([np.zeros(0, np.uint32), *ids])
    return whole, np.concatenate(starts)


def _documents(paths: Sequence[str | Path], reading: Reading) -> Iterator[Path | str]:
    """The documents in their order: a plain text file as its path, everything else as its text."""
    for path in paths:
        source = resolve(path)
        for file in source.files if source.kind == "files" else ():
            if ending(file) in ROWS or file.suffix.lower() in COMPRESSED:
                for document in read_file(file, reading):
                    yield "".join(document.parts())
            else:
                yield file
        if source.kind != "files":
            parts: list[str] = []
            for part in Corpus([source]).documents():
                parts.append(part.text)
                if part.last:
                    yield "".join(parts)
                    parts = []


def _size(document: Path | str) -> int:
    """In characters; a file that is mapped counts by the number of files that may be."""
    return len(document) if isinstance(document, str) else _BATCH // _MAPPED


def _encode(tokenizer: Tokenizer, batch: Sequence[Path | str], reading: Reading, threads: int) -> tuple[Ids, Places]:
    with ExitStack() as opened:
        texts = [document if isinstance(document, str) else _mapped(document, opened) for document in batch]
        texts = [text for text in texts if len(text)]  # an empty file is no document
        try:
            return tokenizer.encode_ordinary_many(texts, threads=threads, check=True)
        except TokenizerError:
            # A file that is not UTF-8: this reads as the corpus does, and so refuses or replaces.
            texts = [text if isinstance(text, str) else "".join(characters(text, reading)) for text in batch]
            texts = [text for text in texts if text]
    return tokenizer.encode_ordinary_many(texts, threads=threads)


def _mapped(path: Path, opened: ExitStack) -> Text:
    """The bytes of a plain text file, without the byte-order mark that it may begin with."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            refuse_binary(path, head)
            start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
            if path.stat().st_size < _SMALL:
                return (head + file.read())[start:]
            data = opened.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return opened.enter_context(memoryview(data)[start:])
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
