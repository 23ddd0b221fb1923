"""Writes `unicode_tables.inc`: the class of every code point, as the `regex` package sees it.

Run it when `regex` learns a newer Unicode: `python native/make_unicode_tables.py`, then commit the table with the new
pin in `constraints.txt`. A test holds that the two agree on every code point. It takes a few seconds.

The table has two levels: code point / 128 gives the number of a block, and blocks that are alike are stored once.
"""

from __future__ import annotations

from pathlib import Path

import regex

BLOCK = 128
CLASSES = [  # (bit, pattern): one bit for each class, in the order and with the values of unicode.hpp
    (1 << 3, r"[\r\n]"),
    (1 << 2, r"[\s--[\r\n]]"),
    (1 << 1, r"\p{N}"),
    (1 << 4, r"\p{M}"),
    (1 << 5, r"[\p{Lu}\p{Lt}]"),
    (1 << 6, r"\p{Ll}"),
    (1 << 7, r"[\p{Lm}\p{Lo}]"),
]
OTHER = 1 << 0


def classes() -> bytes:
    """The class of each code point from 0 to U+10FFFF, one byte for each."""
    every = "".join(map(chr, range(0x110000)))
    table = bytearray([OTHER]) * len(every)
    for bit, pattern in CLASSES:
        for match in regex.finditer(f"{pattern}+", every, regex.VERSION1):
            table[match.start() : match.end()] = bytes([bit]) * (match.end() - match.start())
    return bytes(table)


def rows(values: list[int]) -> str:
    """The numbers as lines of C++."""
    return "".join(
        "    " + "".join(f"{value}," for value in values[n : n + 32]) + "\n" for n in range(0, len(values), 32)
    )


def tables() -> str:
    """The file's text."""
    table = classes()
    blocks: dict[bytes, int] = {}
    numbers = [blocks.setdefault(table[n : n + BLOCK], len(blocks)) for n in range(0, len(table), BLOCK)]
    return (
        f"// Written by make_unicode_tables.py from regex {regex.__version__}: do not edit.\n"
        f"const std::uint16_t unicode_block[{len(numbers)}] = {{\n{rows(numbers)}}};\n"
        f"const std::uint8_t unicode_class[{len(blocks)}][{BLOCK}] = {{\n"
        + "".join(f"  {{\n{rows(list(block))}  }},\n" for block in blocks)
        + "};\n"
    )


def main() -> None:
    """Write the table beside this file."""
    (Path(__file__).parent / "unicode_tables.inc").write_text(tables(), encoding="ascii")


if __name__ == "__main__":
    main()
