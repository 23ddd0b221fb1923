"""Every code point is of the class that the `regex` package gives it, and any bytes can be walked."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import regex
from hypothesis import given
from hypothesis import strategies as st

from idiolect import _native

NATIVE = Path(__file__).resolve().parents[2] / "native"
CLASSES = {  # by the bits of native/unicode.hpp
    1 << 0: r"[^\s\p{L}\p{N}\p{M}]",
    1 << 1: r"\p{N}",
    1 << 2: r"(?![\r\n])\s",
    1 << 3: r"[\r\n]",
    1 << 4: r"\p{M}",
    1 << 5: r"\p{Lu}|\p{Lt}",
    1 << 6: r"\p{Ll}",
    1 << 7: r"\p{Lm}|\p{Lo}",
}


def test_every_code_point_has_the_class_that_regex_gives_it() -> None:
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    classes = _native.character_classes("".join(points).encode())
    assert len(classes) == len(points) == 0x110000 - 2048
    for bit, pattern in CLASSES.items():
        ours = {point for point, of in zip(points, classes, strict=True) if of == bit}
        assert ours == set(regex.findall(pattern, "".join(points)))


def test_the_table_is_the_one_that_its_maker_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_unicode_tables", NATIVE / "make_unicode_tables.py")
    assert spec and spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    first, *table = maker.tables().splitlines()
    assert (NATIVE / "unicode_tables.inc").read_text("ascii").splitlines()[1:] == table
    assert "do not edit" in first


@given(st.binary() | st.lists(st.sampled_from(["a", "é", "你", "😀"])).map("".join).map(str.encode))
def test_a_byte_that_is_no_utf8_is_one_character_of_no_class(text: bytes) -> None:
    characters = text.decode("utf-8", errors="surrogateescape")  # the same rule: a surrogate for each such byte
    valid = "".join("\x00" if "\ud800" <= character <= "\udfff" else character for character in characters)
    assert _native.character_classes(text) == _native.character_classes(valid.encode())


def test_overlong_and_cut_characters_and_surrogates_are_broken_bytes() -> None:
    for broken in (
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
    ):
        assert _native.character_classes(broken) == b"\x01" * len(broken)
    for cut in ("é", "你", "😀"):
        for end in range(1, len(cut.encode())):
            assert _native.character_classes(cut.encode()[:end]) == b"\x01" * end
