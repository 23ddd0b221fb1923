"""Splitting by spaces, the oldest way to make tokens of a text, and where it ends.

The rule: a word is a run of letters and digits; a hyphen or an apostrophe between two of them belongs to the
word (fine-tuning, don't); every other sign is a token by itself; the spaces between are dropped. Text with single
spaces between plain words comes back by joining with spaces, other text does not. Chinese and Japanese write no
spaces: a whole clause is one "word" here, and a learnt tokenizer (`bpe`) must serve.
"""

from __future__ import annotations

import regex

_WORD_OR_SIGN = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:[-‐'’][\p{L}\p{M}\p{N}]+)*|\S")


def split_words(text: str) -> list[str]:
    """The words and signs of `text`, in order, without the spaces.

    Example:
        >>> split_words("Don't fear fine-tuning!")
        ["Don't", 'fear', 'fine-tuning', '!']
    """
    words: list[str] = _WORD_OR_SIGN.findall(text)
    return words
