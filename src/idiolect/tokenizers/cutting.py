"""Cutting a text before its pattern does: what some vocabularies set apart first, digits or Chinese or words of code.

A vocabulary's pattern (`patterns`) is cut natively. Some have one or several expressions before it, each of which sets
its matches apart and leaves the rest to the next. Here they are applied by the `regex` package, at some 10 MB/s of
English: enough to use those vocabularies, and no new scanner for each. Only expressions that are known are taken, for
Hugging Face's engine reads some otherwise (a set within a set), so each was tested against it.

Falcon cuts bytes too: the digits after its pattern are looked for in GPT-2's characters, where the second byte of `²`
is a number, and so is one of `乳`. So the parts of its texts are bytes, and some are parts of a character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import regex

from idiolect.errors import TokenizerError
from idiolect.tokenizers.patterns import PATTERNS

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
    "signs together": r"[\p{P}\u166d\U000111c9$+<=>^`|~]+",  # Unicode 8 has two more; what came later it has not
    "gpt2": PATTERNS["gpt2"],
}
"""The expressions by name: those of StarCoder and Command R (a digit), DeepSeek, BLOOM, Mistral's Tekken, Falcon."""
BYTE_CUTS: Final = {"numbers in bytes": rb"[0-9\xb2\xb3\xb9\xbc-\xbe]+", "three digits in bytes": rb"[0-9]{3}"}
"""Those that cut bytes, by name: of Falcon, after all others. The numbers are 0 to 9 and the bytes written ²³¹¼½¾."""


class Cutter:
    """Cuts texts by some of `CUTS`, one after another.

    Example:
        >>> Cutter(["digit"]).parts("a 12")
        ['a ', '1', '2']

    Raises:
        TokenizerError: there is no such expression.
    """

    def __init__(self, names: Sequence[str]) -> None:
        for n, name in enumerate(names):
            if name not in CUTS and name not in BYTE_CUTS:
                known = ", ".join([*CUTS, *BYTE_CUTS])
                raise TokenizerError(f"There is no expression {name!r} to cut by: choose among {known}.")
            if name in CUTS and any(before in BYTE_CUTS for before in names[:n]):
                raise TokenizerError(f"The expression {name!r} cuts characters, and bytes were cut before it.")
        self._expressions = [regex.compile(f"({CUTS[name]})") for name in names if name in CUTS]
        self._of_bytes = [re.compile(b"(" + BYTE_CUTS[name] + b")") for name in names if name in BYTE_CUTS]

    def parts(self, text: str | bytes) -> list[str] | list[bytes]:
        """The parts of a text, or of its bytes in UTF-8, whatever they are; put together they are the text, or its
        bytes where bytes are cut."""
        if isinstance(text, str) and not self._of_bytes:
            return self._parts(text)
        # A surrogate escape gives any bytes back.
        string = text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
        parts = [part.encode("utf-8", "surrogateescape") for part in self._parts(string)]
        for expression in self._of_bytes:
            parts = [piece for part in parts for piece in expression.split(part) if piece]
        return parts

    def _parts(self, text: str) -> list[str]:
        parts = [text]
        for expression in self._expressions:
            parts = [piece for part in parts for piece in expression.split(part) if piece]
        return parts
