"""General compressors as yardsticks: how many bits per byte `xz -9` and `bz2 -9` need for the same
documents.

A compressor that starts on the held-out text knows nothing; a model has read the training text. So the
stronger yardstick lets the compressor read the training text first, and counts only what the held-out text
adds to its output. xz looks back 64 MiB; bz2 works in blocks of 900 kB, so a long training text helps it
little.

Cost: one thread, a few megabytes a second at best; the stronger yardstick compresses the training text
twice. Memory: about ten times the text, up to 0.7 GB for each xz compressor (the stronger yardstick has
two); the text itself streams.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idiolect.errors import CorpusError

if TYPE_CHECKING:
    from idiolect.text.document import Document


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """Bits for each byte of text: comparable with the `Score.bits_per_byte` of a model on the same documents."""

    xz: float
    """As `xz -9`: preset 9, not extreme."""
    bz2: float
    """As `bzip2 -9`."""


def bits_per_byte(documents: Iterable[Document]) -> Yardsticks:
    """Compress the documents with a newline between each two, and divide by the bytes of their text.

    The bytes are those of UTF-8 without these newlines, as for a model's score.

    Args:
        documents: read once, as a stream; the parts of a long document follow each other.

    Raises:
        CorpusError: no documents, or no text in them.

    Example:
        >>> bits_per_byte(corpus.documents(split="test"))
        Yardsticks(xz=2.25, bz2=2.08)
    """
    sinks = _sinks()
    text_bytes = _feed(documents, sinks)
    return Yardsticks(*(8 * sink.finish() / text_bytes for sink in sinks))


def bits_per_byte_after_training(documents: Iterable[Document], training: Iterable[Document]) -> Yardsticks:
    """The stronger yardstick: compressed(training + documents) − compressed(training), over the bytes of the documents.

    Raises:
        CorpusError: no text in the documents or in the training text.

    Example:
        >>> bits_per_byte_after_training(corpus.documents(split="test"), corpus.documents(split="train"))
        Yardsticks(xz=1.97, bz2=2.01)
    """
    training_only, both = _sinks(), _sinks()
    _feed(training, training_only + both)
    for sink in both:
        sink.feed(b"\n")
    text_bytes = _feed(documents, both)
    added = (after.finish() - before.finish() for before, after in zip(training_only, both))
    return Yardsticks(*(8 * size / text_bytes for size in added))


class _Sink:
    """A compressor whose output is measured and forgotten."""

    def __init__(self, compressor: lzma.LZMACompressor | bz2.BZ2Compressor) -> None:
        self._compressor = compressor
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(self._compressor.compress(data))

    def finish(self) -> int:
        """The bytes of the whole output."""
        return self._size + len(self._compressor.flush())


def _sinks() -> list[_Sink]:
    """A fresh compressor for each field of `Yardsticks`, in their order."""
    return [_Sink(lzma.LZMACompressor(preset=9)), _Sink(bz2.BZ2Compressor(9))]


def _feed(documents: Iterable[Document], sinks: list[_Sink]) -> int:
    """Send every document to every sink; returns the bytes of their text."""
    text_bytes = 0
    separator = b""
    for document in documents:
        data = document.text.encode()
        text_bytes += len(data)
        for sink in sinks:
            sink.feed((separator if document.first else b"") + data)
        separator = b"\n"
    if text_bytes == 0:
        raise CorpusError("There is no text to compress: name documents that are not empty.")
    return text_bytes
