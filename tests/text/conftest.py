"""What the tests of reading share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from idiolect.text import decoding, document
from idiolect.text.document import Document

Join = Callable[[Iterable[Document]], list[str]]


@pytest.fixture(scope="session")
def join() -> Join:
    """The texts of whole documents, their parts put together; fails if the parts' flags do not fit."""

    def joined(documents: Iterable[Document]) -> list[str]:
        texts: list[str] = []
        is_open = False
        for part in documents:
            assert part.text
            assert part.first != is_open
            if part.first:
                texts.append("")
            texts[-1] += part.text
            is_open = not part.last
        assert not is_open
        return texts

    return joined


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of about 50 characters, at most 120, and reads of 7 bytes, so that a small text meets every boundary."""
    monkeypatch.setattr(document, "PART", 50)
    monkeypatch.setattr(document, "LONGEST_PART", 120)
    monkeypatch.setattr(decoding, "CHUNK", 7)
