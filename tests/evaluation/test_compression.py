"""The compressors' yardsticks equal compressing the joined text at once."""

from __future__ import annotations

import bz2
import lzma
import random
from pathlib import Path

import pytest

from idiolect.errors import CorpusError
from idiolect.evaluation.compression import bits_per_byte, bits_per_byte_after_training
from idiolect.text.document import Document

TRAINING = ["the car and the cat", "naïve café, 你好"] * 20
HELD_OUT = ["the rat and the cat", "", "a naïve rat in a café"]


def sizes(text: str) -> tuple[int, int]:
    """Bytes of the text under `xz -9` and `bzip2 -9`."""
    return len(lzma.compress(text.encode(), preset=9)), len(bz2.compress(text.encode(), 9))


@pytest.fixture(scope="module")
def noise() -> str:
    """Letters in no order, more than fits in a small block of bz2."""
    return "".join(random.Random(0).choices("abcdefgh", k=250_000))


def test_equals_compressing_at_once(noise: str) -> None:
    texts = [*HELD_OUT, noise]
    result = bits_per_byte(map(Document, texts))
    text_bytes = len("".join(texts).encode())
    assert (result.xz, result.bz2) == tuple(8 * size / text_bytes for size in sizes("\n".join(texts)))


def test_the_training_text_first() -> None:
    result = bits_per_byte_after_training(map(Document, HELD_OUT), map(Document, TRAINING))
    text_bytes = len("".join(HELD_OUT).encode())
    before, both = sizes("\n".join(TRAINING)), sizes("\n".join(TRAINING + HELD_OUT))
    expected = tuple(8 * (large - small) / text_bytes for large, small in zip(both, before))
    assert (result.xz, result.bz2) == expected
    alone = bits_per_byte(map(Document, HELD_OUT))
    assert result.xz < alone.xz and result.bz2 < alone.bz2


def test_xz_remembers_what_it_read_long_before(noise: str) -> None:
    page, gap = noise[:5_000], "a" * 9_000_000  # lower presets of xz look back 8 MiB at most
    result = bits_per_byte_after_training([Document(page)], [Document(page), Document(gap)])
    assert result.xz < 0.2
    assert result.bz2 < 4


def test_parts_of_a_document_are_not_separated(noise: str) -> None:
    pieces = [noise[start : start + 1000] for start in range(0, len(noise), 1000)]
    parts = [Document(piece, first=start == 0, last=False) for start, piece in enumerate(pieces)]
    assert bits_per_byte([*parts, Document("a rat")]) == bits_per_byte([Document(noise), Document("a rat")])


def test_no_text_is_refused() -> None:
    for documents in ([], [Document("")]):
        with pytest.raises(CorpusError, match="no text to compress"):
            bits_per_byte(documents)
        with pytest.raises(CorpusError, match="no text to compress"):
            bits_per_byte_after_training(documents, [Document("a")])
        with pytest.raises(CorpusError, match="no text to compress"):
            bits_per_byte_after_training([Document("a")], documents)


def test_real_text_is_between_one_and_four_bits_per_byte(data_folder: Path) -> None:
    text = (data_folder / "shakespeare" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    alone = bits_per_byte([Document(text[-100_000:])])
    informed = bits_per_byte_after_training([Document(text[-100_000:])], [Document(text[:-100_000])])
    assert 1 < informed.xz < alone.xz < 4
    assert 1 < alone.bz2 < 4
