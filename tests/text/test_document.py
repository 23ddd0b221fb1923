"""Cutting long texts: the parts are the text, and where the cuts fall depends on the text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idiolect.text import document
from idiolect.text.document import StoredDocument, cut

GPT2 = regex.compile(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
CL100K = regex.compile(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)

pytestmark = pytest.mark.usefixtures("small_parts")
same_patches = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
texts = st.text(st.sampled_from("ab. \n\n\n\r\t\u2028é😀\x1c'7"), max_size=800)


def chunked(text: str, sizes: list[int]) -> Iterator[str]:
    while text:
        size = sizes[0]
        sizes = sizes[1:] + sizes[:1]
        yield text[:size]
        text = text[size:]


@same_patches
@given(texts, st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_parts_join_to_the_text_and_do_not_depend_on_the_chunks(text: str, sizes: list[int]) -> None:
    parts = list(cut([text]))
    assert "".join(parts) == text
    assert list(cut(chunked(text, sizes))) == parts
    assert all(0 < len(part) <= document.LONGEST_PART for part in parts)


@same_patches
@given(texts)
def test_a_cut_is_where_the_pre_tokenizers_cut_anyway(text: str) -> None:
    parts = list(cut([text]))
    for pattern in (GPT2, CL100K):
        at = 0
        ends = {match.end() for match in pattern.finditer(text)}
        for part in parts[:-1]:
            at += len(part)
            if len(part) < document.LONGEST_PART:
                assert len(part) >= document.PART
                assert re.search(r"\n\Z", part) and not text[at].isspace()
                assert at in ends


def test_a_cut_is_the_first_good_one() -> None:
    text = "x" * 49 + "\n" + "y\n" * 100
    assert next(cut([text])) == "x" * 49 + "\n"
    text = "x" * 50 + "\n \nz" + "y" * 200
    assert next(cut([text])) == "x" * 50 + "\n \n"


def test_without_a_newline_a_part_ends_at_the_longest() -> None:
    assert [len(part) for part in cut(["x" * 300])] == [120, 120, 60]
    assert [len(part) for part in cut(["x" * 119 + "\n" + "y" * 10])] == [120, 10]
    assert [len(part) for part in cut(["x" * 120 + "\n" + "y" * 10])] == [120, 11]
    assert [len(part) for part in cut(["x" * 120])] == [120]


@same_patches
@given(texts, st.integers(0, 800), st.integers(0, 800))
def test_a_span_is_the_slice(text: str, start: int, stop: int) -> None:
    stored = StoredDocument.of(text, {"n": 1})
    for end in (stop, None):
        pieces = list(stored.documents(start, end))
        assert "".join(piece.text for piece in pieces) == text[start:end]
        assert all(piece.text and piece.fields == {"n": 1} for piece in pieces)
        assert [piece.first for piece in pieces] == [start == 0 and i == 0 for i in range(len(pieces))]
        assert [piece.last for piece in pieces] == [end is None and i == len(pieces) - 1 for i in range(len(pieces))]


def test_digest_and_length_are_of_the_whole_text() -> None:
    long = "line\n" * 100
    stored = StoredDocument.of(long, {})
    assert len(list(stored.parts())) > 2
    assert stored.length() == len(long)
    assert stored.digest() == StoredDocument.of(long, {"other": 1}).digest()
    assert stored.digest() != StoredDocument.of(long[:-1] + "x", {}).digest()
    assert len(stored.digest()) == 16
