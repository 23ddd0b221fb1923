"""The scanners cut text exactly where the regular expressions of `patterns.py` cut it, whatever the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import pyarrow.parquet
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idiolect import _native
from idiolect.tokenizers.patterns import PATTERNS

COMPILED = {name: regex.compile(pattern) for name, pattern in PATTERNS.items()}

TRICKY = [
    *" \t\n\r\v\f'/!._-=0129aAsSlLtTdDmMvVrReE\x00\x1c\x85\xa0",
    *("\u200b", "\u200d", "\u2028", "\u2029", "\u3000", "\ufeff", "▁"),  # spaces, and what only looks like one
    *("ſ", "İ", "ı", "K", "ß", "ẞ", "ﬁ", "ǅ", "ʰ", "ª", "é", "Ж", "ж"),  # letters of every case and of none
    *("\u0301", "\u0903", "\u20dd", "\ufe0f", "🏽"),  # marks: nonspacing, spacing, enclosing
    *("½", "Ⅳ", "٣", "²", "ⓐ"),  # numbers that are not 0 to 9, and what only looks like a letter
    *("中", "か", "ー", "한", "😀", "👩", "\U0010ffff"),
    *("\udc80", "\udce4", "\udcf0", "\udcff"),  # bytes that are no UTF-8
    *("'s", "'S", "'ſ", "'ll", "'LL", "'re", "'Ve", "  ", "\r\n", "\n\n", " \n", "123", "1234", "fooBar", "FOOBar"),
]
any_bytes = st.binary(max_size=60)
tricky_bytes = st.lists(st.sampled_from(TRICKY), max_size=30).map(lambda parts: in_bytes("".join(parts)))
ASCII = [part for part in TRICKY if part.isascii()]
ASCII += ["the", " a", " and ", "word", "12345", "\n  ", ".\n\n", "x" * 70, " " * 70, "7" * 70]
# Long enough for blocks of 64 bytes: mostly ASCII, with something else now and then.
long_bytes = st.lists(
    st.lists(st.sampled_from(ASCII), min_size=10, max_size=60) | st.sampled_from(TRICKY).map(lambda part: [part]),
    max_size=8,
).map(lambda parts: in_bytes("".join(map("".join, parts))))
any_text = st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)


def in_bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def words(pattern: str, text: bytes) -> list[bytes]:
    """By the oracle, to which a byte that is no UTF-8 is a lone surrogate: a character of no class."""
    return [in_bytes(word) for word in COMPILED[pattern].findall(text.decode("utf-8", errors="surrogateescape"))]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=400)
@given(tricky_bytes | long_bytes | any_text | any_bytes)
@example(b"")
@example("it'ſx 'S \u0301ABc'ſ A\u0301Bc ʰAB".encode())
def test_any_bytes_are_cut_as_regex_cuts_them(pattern: str, text: bytes) -> None:
    assert _native.split_words(pattern, text) == words(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_short_string_is_cut_as_regex_cuts_it(pattern: str) -> None:
    alphabet = ["a", "A", "s", "1", " ", "\t", "\n", "'", "!", "/", "中", "\u0301", "ſ", "\udcff", "▁"]
    for parts in product(alphabet, repeat=4):
        text = in_bytes("".join(parts))
        assert _native.split_words(pattern, text) == words(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_short_string_in_a_block_is_cut_as_regex_cuts_it(pattern: str) -> None:
    alphabet = ["a", "1", " ", "\t", "\n", "'s", "!", "é"]
    for parts in product(alphabet, repeat=4):
        for place in (0, 1, 31, 58, 61, 63):  # within a block, and across its end
            text = ("a" * place + "".join(parts) + "a" * 80).encode()
            assert _native.split_words(pattern, text) == words(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_character_between_others_is_cut_as_regex_cuts_it(pattern: str) -> None:
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    for before, after in (("a", "a"), (" ", " "), ("1", "!"), ("A", "'s")):
        text = "".join(f"{before}{character}{after}\n" for character in points[:0x3400] + points[0x3400::16]).encode()
        assert _native.split_words(pattern, text) == words(pattern, text)


def real_texts(data: Path, most: int | None) -> Iterator[str]:
    """Real texts of every script; of each source at most so many documents, and of a book so many lines."""
    for file in ("udhr/documents.parquet", "imdb/train.parquet", "imdb/test.parquet", "imdb/unsup.parquet"):
        texts = pyarrow.parquet.read_table(data / file, columns=["text"])["text"].to_pylist()
        yield from texts if file.startswith("udhr") else texts[:most]
    with (data / "peps" / "documents.jsonl").open(encoding="utf-8") as lines:
        yield from (json.loads(line)["text"] for line in islice(lines, most))
    for book in ("chinese/poems.txt", "japanese/wagahai.txt", "japanese/botchan_en.txt"):
        with (data / book).open(encoding="utf-8", newline="") as lines:
            yield "".join(islice(lines, None if most is None else 100 * most))


def compare(data: Path, pattern: str, most: int | None) -> int:
    """How many words were compared."""
    compared = 0
    for text in real_texts(data, most):
        ours = _native.split_words(pattern, text.encode())
        assert ours == words(pattern, text.encode())
        compared += len(ours)
    return compared


@pytest.mark.parametrize("pattern", PATTERNS)
def test_real_text_is_cut_as_regex_cuts_it(data_folder: Path, pattern: str) -> None:
    compared = compare(data_folder, pattern, 40)
    assert compared > (100_000 if pattern in ("gpt2", "cl100k", "o200k", "llama3", "qwen2", "whitespace") else 500)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
def test_all_real_text_is_cut_as_regex_cuts_it(data_folder: Path, pattern: str) -> None:
    print(f"{pattern}: {compare(data_folder, pattern, None):,} words compared")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "A",
        " ",
        "\n",
        " \n",
        "1",
        "'",
        "=",
        "a ",
        "   x",
        "é",
        "\u3000",
        "\u0301",
        "\u0301A",
        "Aʰ",
        "中",
        "\udcff",
        "▁",
    ],
)
def test_a_mebibyte_of_the_same_is_cut_in_one_pass(pattern: str, piece: str) -> None:
    text = in_bytes(piece) * (2**20 // len(in_bytes(piece)))
    cut = _native.split_words(pattern, text)  # quadratic cost would take minutes
    assert b"".join(cut) == text
    assert all(cut)


def test_an_unknown_pattern_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no pattern 'gpt5': choose one of gpt2, cl100k, .*, none\."):
        _native.split_words("gpt5", b"text")
    for pattern in PATTERNS:
        assert _native.split_words(pattern, b"") == []
