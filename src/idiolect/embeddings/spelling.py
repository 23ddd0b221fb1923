"""Words that are spelt nearly like one that is not there.

Everything within one edit (a letter dropped, put in, replaced, or two exchanged) or in other capitals is made and
looked up, and where nothing is found, everything within two (Norvig, How to Write a Spelling Corrector, 2007). The cost
does not depend on the number of words: some hundred thousand look-ups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz'- _▁"
_LONGEST: Final = 24  # characters of a word whose second edits are tried


def near(word: str, rows: Mapping[str, int], n: int = 3) -> list[str]:
    """Up to n words of `rows` near to `word`, the most frequent (the first rows) first.

    Example:
        >>> near("qeen", {"queen": 5, "seen": 2, "king": 3})
        ['seen', 'queen']
    """
    letters = "".join(sorted({*_LETTERS, *word.lower()}))
    cased = {word.lower(), word.upper(), word.capitalize(), word.title(), f"▁{word}", word.removeprefix("▁")} - {word}
    first = {*_edits(word, letters), *cased} - {word}
    found = first & rows.keys()
    if not found and len(word) <= _LONGEST:
        found = {second for one in first for second in _edits(one, letters) if second in rows}
    return sorted(found, key=lambda one: rows[one])[:n]


def _edits(word: str, letters: str) -> Iterator[str]:
    """Everything one edit away."""
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in letters:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]
