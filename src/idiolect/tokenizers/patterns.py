"""How text is cut into words before any merging: the two patterns most byte-level vocabularies were learnt with.

A merge never crosses the border of a word, so the pattern decides what a token can be. Both patterns cover every
character (the words, put together, are the text), and both are read in one pass whose cost is linear in the text.

- `gpt2`: letters, digits and the rest apart, each with the one space before it, and English contractions
  (Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.2, and its code).
- `cl100k`: as above, but digits go in threes, a word may start with any one sign, capitals contract too, and
  newlines stay with the signs before them (the pattern of GPT-4's vocabulary).

What counts as a letter or a digit follows the Unicode tables of the `regex` package. Other tools may know older tables:
letters that Unicode added in the last few years can be cut differently there.
"""

from __future__ import annotations

from collections.abc import Callable

import regex

from idiolect.errors import TokenizerError

PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
"""The patterns by the name that `--pattern` takes, in the syntax that `regex` and Hugging Face's files share."""


def splitter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text into words by the pattern of this name.

    Example:
        >>> splitter("gpt2")("It's 2026,  no?")
        ['It', "'s", ' 2026', ',', ' ', ' no', '?']

    Raises:
        TokenizerError: there is no pattern of this name.
    """
    if pattern not in PATTERNS:
        raise TokenizerError(f"There is no pattern {pattern!r}: choose one of {', '.join(PATTERNS)}.")
    split: Callable[[str], list[str]] = regex.compile(PATTERNS[pattern]).findall
    return split
