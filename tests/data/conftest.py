"""A tokenizer of bytes, so that the tests of data depend on no other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from idiolect.data.tokens import ShardWriter, TokenStream
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer


class Bytes(Tokenizer):
    """Each byte is a token; end of text is the last id of the vocabulary."""

    kind = "bytes"

    def __init__(self, size: int = 257) -> None:
        self._size = size
        self.special_tokens = {END_OF_TEXT: size - 1}

    @property
    def vocab_size(self) -> int:
        return self._size

    def encode_ordinary(self, text: str) -> list[int]:
        return list(text.encode())

    def token_bytes(self, token_id: int) -> bytes:
        return bytes([token_id]) if token_id < 256 else END_OF_TEXT.encode()

    def can_encode(self, text: str) -> bool:
        return True

    def rules(self) -> Iterator[object]:
        return iter(())


@pytest.fixture(scope="session")
def make_tokenizer() -> type[Bytes]:
    """Bytes(), or with a larger vocabulary."""
    return Bytes


@pytest.fixture
def make_stream(tmp_path: Path) -> Callable[..., TokenStream]:
    """A stream of `length` ids 0, 1, 2, ... (modulo 65,521) in shards, with documents that start where told."""

    def made(length: int, starts: Sequence[int] = (0,), shards: int = 1) -> TokenStream:
        ids, paths = np.arange(length) % 65521, []
        edges = np.linspace(0, length, shards + 1).astype(int)
        for number, (first, stop) in enumerate(itertools.pairwise(edges)):
            paths.append(tmp_path / f"train-{number:05d}.tokens")
            writer = ShardWriter(paths[-1], Bytes(65521))
            for place in range(first, stop):
                if place in starts:
                    writer.start_document()
                writer.write([int(ids[place])])
            writer.close()
        return TokenStream(paths)

    return made
