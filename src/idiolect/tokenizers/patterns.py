"""How text is cut into words before any merging: the patterns that the vocabularies in use were learnt with.

A merge never crosses the border of a word, so the pattern decides what a token can be. Every pattern covers every
character: the words, put together, are the text.

- `gpt2`: letters, digits and the rest apart, each with the one space before it, and English contractions
  (Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.2, and its code).
- `cl100k`: as above, but digits go in threes, a word may start with any one sign, capitals contract too, and
  newlines stay with the signs before them (the pattern of GPT-4's vocabulary).
- `llama3`: the same as `cl100k`, under the name of those who took it over.
- `qwen2`: as `cl100k`, but each digit is a word.
- `o200k`: as `cl100k`, but a word's capitals come first (fooBar is cut in two), and it keeps its marks and its
  contraction (the pattern of GPT-4o's vocabulary).
- `whitespace`: words between spaces, each with the whitespace before it.
- `metaspace`: before each `▁` (U+2581), which SentencePiece writes in place of a space.
- `none`: not at all, for text that is written without spaces.

The regular expressions below say what the patterns are, and are what `tokenizer.json` stores. Text is cut by the native
core (`native/split.hpp`), whose scanners are tested to cut as these do, at a hundred times the speed.

What counts as a letter or a digit follows the Unicode tables of the `regex` package. Other tools may know older tables:
letters that Unicode added in the last few years can be cut differently there. tiktoken's own way of writing `cl100k`
keeps all whitespace at the end of a text in one word, where this one cuts after the last newline in it; no token of
its vocabulary spans that place, so the ids are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import regex

from idiolect.errors import TokenizerError

_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": _CL100K,
    "o200k": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "llama3": _CL100K,
    "qwen2": _CL100K.replace("{1,3}", ""),
    "whitespace": r"\s*\S+|\s+",
    "metaspace": "▁[^▁]*|[^▁]+",
    "none": r"[\s\S]+",
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
