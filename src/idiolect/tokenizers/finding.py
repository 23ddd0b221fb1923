"""Finding tokens by their names in a text: special tokens that are allowed, and tokens that were added.

Of names that overlap the leftmost counts, and of those that begin at one place the longest, as Hugging Face's added
tokens are found. A token may take the whitespace before or behind it into itself (its `lstrip` and `rstrip`), so that
`a <mask>` and `a<mask>` are the same; or it may be a word of its own (`single_word`), which is not found inside others.
Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import regex

from idiolect.errors import TokenizerError

WHITESPACE: Final = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What Unicode calls White_Space; `str.isspace` takes four control characters for spaces too."""
_SPACES: Final = re.compile(f"[{WHITESPACE}]*")
_IN_WORDS: Final = regex.compile(r"\w")  # marks too, which `re` leaves out


class Strip(NamedTuple):
    """What a token does to its neighbours."""

    left: bool = False
    """Takes the whitespace before it into itself."""
    right: bool = False
    """Takes the whitespace behind it into itself."""
    alone: bool = False
    """Is found only where no letter, digit, mark or underscore is beside it."""


class Finder:
    """Finds names in texts.

    Args:
        names: what is looked for.
        strips: of those that take whitespace into themselves, or stand alone, which.
        marks: whether `▁` in a name stands for a space in the text too (SentencePiece's user-defined pieces).

    Raises:
        TokenizerError: one name takes the whitespace behind it, and another begins with whitespace: which of them has
            it is not the same everywhere.

    Example:
        >>> Finder(["<mask>"], {"<mask>": Strip(left=True)}).parts("a <mask> b")
        ['a', ' <mask>', ' b']
    """

    def __init__(self, names: Collection[str], strips: Mapping[str, Strip], *, marks: bool = False) -> None:
        self._strips = {name: strips[name] for name in names if name in strips}
        self._names = frozenset(names)
        self._marks = marks
        self._alone = any(strip.alone for strip in self._strips.values())
        if any(strip.right for strip in self._strips.values()):
            stray = next((name for name in names if name[:1] in WHITESPACE), None)
            if stray is not None:
                raise TokenizerError(
                    f"A token takes the whitespace behind it, and the token {stray!r} begins with whitespace."
                )
        longest_first = [re.escape(name) for name in sorted(self._names, key=len, reverse=True)]
        if marks:
            longest_first = [name.replace("▁", "(?: |▁)") for name in longest_first]
        pattern = f"({'|'.join(longest_first)})"
        self._text = re.compile(pattern) if names else None
        self._bytes = re.compile(pattern.encode()) if names else None

    def parts(self, text: str | bytes) -> list[str] | list[bytes]:
        """The text cut at the names: stretch, name, stretch, …, stretch. Together they are the text."""
        if self._text is None or self._bytes is None:
            return [text]  # type: ignore[return-value]  # of either kind
        if isinstance(text, bytes):
            if not self._strips:
                return self._bytes.split(text)
            parts = self.parts(text.decode("utf-8", "surrogateescape"))  # which gives any bytes back
            return [string.encode("utf-8", "surrogateescape") for string in parts if isinstance(string, str)]
        cut = self._text.split(text)
        if self._alone:
            cut = self._words(cut)
        if self._strips:
            for n in range(1, len(cut), 2):
                before, found, behind = cut[n - 1 : n + 2]
                left, right, _ = self._strips.get(found, _NEITHER)
                start = len(before.rstrip(WHITESPACE)) if left else len(before)
                spaces = _SPACES.match(behind) if right else None
                end = spaces.end() if spaces else 0
                cut[n - 1 : n + 2] = before[:start], before[start:] + found + behind[:end], behind[end:]
        return cut

    def _words(self, cut: list[str]) -> list[str]:
        """The same, without those finds that should stand alone and are part of a word."""
        kept = cut[:1]
        for n in range(1, len(cut), 2):
            found, behind = cut[n : n + 2]
            # What stands before it is text or the name before, found or not; and so behind it.
            before = kept[-1] or (kept[-2] if len(kept) > 1 else "")
            after = behind or "".join(cut[n + 2 : n + 3])
            inside = _IN_WORDS.match(before[-1:]) or _IN_WORDS.match(after[:1])
            if self._strips.get(found, _NEITHER).alone and inside:
                kept[-1] += found + behind
            else:
                kept += [found, behind]
        return kept

    def name(self, found: str) -> str:
        """The name that was found, of a part that `parts` gave for one."""
        if found in self._names:
            return found
        if self._marks and (marked := found.replace(" ", "▁")) in self._names:
            return marked
        return max((name for name in self._strips if name in found), key=len)


def touches_words(name: str) -> bool:
    """Whether a token's name begins or ends as a word does, so that a word beside it is none of its own."""
    return bool(_IN_WORDS.match(name[:1]) or _IN_WORDS.match(name[-1:]))


_NEITHER: Final = Strip()
