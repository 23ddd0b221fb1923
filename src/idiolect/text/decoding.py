"""From the bytes of a file to its characters: unpack gzip and Zstandard, refuse what is not text, decode UTF-8.

Everything streams in small chunks. Newlines stay as they are in the file; only a byte-order mark is dropped.
Bytes that are not UTF-8 are refused with their offset, or become U+FFFD exactly as Python's own decoder does it.
"""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import zstandard

from idiolect.errors import CorpusError

CHUNK = 1 << 18
"""Bytes read (and unpacked) at a time."""

HEAD = 8192
"""Bytes in which a NUL means that a file is not text."""

COMPRESSED = (".gz", ".zst")

MAGIC = {
    b"\xff\xfe": "UTF-16 text: convert it to UTF-8",
    b"\xfe\xff": "UTF-16 text: convert it to UTF-8",
    b"\x1f\x8b": "gzip data: end its name in .gz",
    b"\x28\xb5\x2f\xfd": "Zstandard data: end its name in .zst",
    b"PAR1": "a parquet file: end its name in .parquet",
    b"PK\x03\x04": "a zip archive (or an office document): take the text out first",
    b"%PDF-": "a PDF document: take the text out first",
    b"BZh": "bzip2 data: unpack it first",
    b"\xfd7zXZ\x00": "xz data: unpack it first",
    b"\x7fELF": "a program",
    b"\x89PNG": "an image",
    b"GIF8": "an image",
    b"\xff\xd8\xff": "an image",
}
"""How files that are not text begin, and what to say of them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files of a corpus are read."""

    text_field: str
    """The field of a jsonl row, or the column of a parquet file, that holds the text."""
    invalid: Literal["refuse", "replace"]
    """What to do with bytes that are not UTF-8."""
    replaced: dict[tuple[Path, str], int] = field(default_factory=dict)
    """How many of what kind became U+FFFD in each file, in the fullest pass so far (a file is read more than once)."""

    def count_replaced(self, file: Path, kind: Literal["bytes", "surrogates"], count: int) -> None:
        """Note that the pass over `file` that is under way has replaced `count` so far."""
        if count:
            self.replaced[file, kind] = max(count, self.replaced.get((file, kind), 0))


def characters(file: Path, reading: Reading) -> Iterator[str]:
    """The text of a file, in chunks.

    Raises:
        CorpusError: the file is missing, damaged, not text, or (with `invalid="refuse"`) not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict" if reading.invalid == "refuse" else "replace")
    offset = 0  # bytes given to the decoder so far
    marks = genuine = 0  # U+FFFD that came out, and that stood in the file as such
    tail = b""
    for chunk in itertools.chain(contents(file), (b"",)):
        if offset == 0:
            refuse_binary(file, chunk[:HEAD])
            if chunk.startswith(codecs.BOM_UTF8):
                chunk = chunk[len(codecs.BOM_UTF8) :]
                offset = len(codecs.BOM_UTF8)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = offset - pending + error.start
            where = f"offset {at}" + (" of what it unpacks to" if file.suffix.lower() in COMPRESSED else "")
            raise CorpusError(
                f"{file} is not UTF-8: byte 0x{error.object[error.start]:02x} at {where}. "
                'Convert it, or read it with invalid = "replace" to turn such bytes into U+FFFD.'
            ) from None
        offset += len(chunk)
        marks += text.count("\ufffd")
        genuine += (tail + chunk).count(b"\xef\xbf\xbd")
        tail = chunk[-2:] if len(chunk) > 1 else tail[-1:] + chunk
        reading.count_replaced(file, "bytes", marks - genuine)
        if text:
            yield text


def refuse_binary(file: Path, head: bytes) -> None:
    """Raise a `CorpusError` if `head`, the first bytes of a file, cannot be the beginning of a text."""
    for magic, what in MAGIC.items():
        if head.startswith(magic):
            raise CorpusError(f"{file} is not plain text but {what}.")
    if b"\0" in head:
        raise CorpusError(f"{file} is a binary file, not text: leave it out.")


def contents(file: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked where its name ends in .gz or .zst, in chunks of about `CHUNK`; none is empty."""
    try:
        with open(file, "rb") as raw:
            match file.suffix.lower():
                case ".gz":
                    with gzip.GzipFile(fileobj=raw) as unpacked:
                        yield from iter(lambda: unpacked.read(CHUNK), b"")
                case ".zst":
                    yield from _unpack_zstandard(raw)
                case _:
                    yield from iter(lambda: raw.read(CHUNK), b"")
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise CorpusError(f"{file} is damaged and cannot be unpacked ({error}): copy or make it again.") from None
    except OSError as error:
        raise CorpusError(f"{file} cannot be read: {error.strerror or error}.") from None


def _unpack_zstandard(raw: io.BufferedReader) -> Iterator[bytes]:
    """Unpack frame after frame, and notice a file that ends within one (the library's own reader does not).

    The packed bytes go in by small slices, because each can grow many thousand times.
    """
    frame = None
    pieces: list[bytes] = []
    size = 0
    while packed := raw.read(4096):
        while packed:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            pieces.append(frame.decompress(packed))
            size += len(pieces[-1])
            packed = b""
            if frame.eof:
                packed = frame.unused_data
                frame = None
        if size >= CHUNK:
            yield b"".join(pieces)
            pieces, size = [], 0
    if frame is not None:
        raise EOFError("it ends in the middle of a frame")
    if size:
        yield b"".join(pieces)
