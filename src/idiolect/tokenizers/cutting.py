"""Cutting a text before its pattern does: what some vocabularies set apart first, digits or Chinese or words of code.

A vocabulary's pattern (`patterns`) is cut natively. Some have one or several expressions before it, each of which sets
its matches apart and leaves the rest to the next. Here they are applied by the `regex` package, at some 10 MB/s of
English: enough to use those vocabularies, and no new scanner for each. Only expressions that are known are taken, for
Hugging Face's engine reads some otherwise (a set within a set), so each was tested against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import regex

from idiolect.errors import TokenizerError

CUTS: Final = {
    "digit": r"\p{N}",
    "digits": r"\p{N}+",
    "three digits": r"\p{N}{1,3}",
    "line end": r"[\r\n]",
    "letters": r"\s?\p{L}+",
    "signs": r"\s?\p{P}+",
    "chinese or korean": r"[一-龥ࠀ-一가-퟿]+",
    "chinese or japanese": r"[一-龥぀-ゟ゠-ヿ]+",
    "bloom": r" ?[^(\s|.,!?…。，、।۔،)]+",
    "deepseek": (
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "tekken": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
"""The expressions by name: those of StarCoder and Command R (a digit), DeepSeek, BLOOM, and Mistral's Tekken."""


class Cutter:
    """Cuts texts by some of `CUTS`, one after another.

    Example:
        >>> Cutter(["digit"]).parts("a 12")
        ['a ', '1', '2']

    Raises:
        TokenizerError: there is no such expression.
    """

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in CUTS:
                raise TokenizerError(f"There is no expression {name!r} to cut by: choose among {', '.join(CUTS)}.")
        self._expressions = [regex.compile(f"({CUTS[name]})") for name in names]

    def parts(self, text: str | bytes) -> list[str] | list[bytes]:
        """The parts of a text, or of its bytes in UTF-8, whatever they are; put together they are the text."""
        if isinstance(text, bytes):
            string = text.decode("utf-8", "surrogateescape")  # which gives any bytes back
            return [part.encode("utf-8", "surrogateescape") for part in self._parts(string)]
        return self._parts(text)

    def _parts(self, text: str) -> list[str]:
        parts = [text]
        for expression in self._expressions:
            parts = [piece for part in parts for piece in expression.split(part) if piece]
        return parts
