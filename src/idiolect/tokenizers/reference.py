"""BPE in as few lines as it takes: what the fast code must equal, on any input.

Byte pair encoding (Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", 2016,
section 3.2). Learning recounts every pair at every merge, encoding looks at every pair at every merge: read this to
understand, use `bpe` to work. Words are tuples of ids, and a merge is a pair of ids that becomes the next free id.

Which of equally frequent pairs is merged is the tie rule:

- `first`: the one met first when reading the words as they are cut now, in the order in which they first appeared.
- `huggingface`: the one with the smaller left id, then the smaller right id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[int, int]

TIES = ("first", "huggingface")
"""The tie rules."""


def learn_merges(words: Mapping[tuple[int, ...], int], *, first_id: int, most: int, ties: str) -> list[Pair]:
    """The merges learnt from counted words, at most `most` of them: fewer where no pair is left.

    Args:
        words: each different word with how often it occurs, in the order of their first appearance.
        first_id: the id of the first merge; the next ones follow.
        most: how many merges to learn at most.
        ties: the tie rule, "first" or "huggingface".

    Example:
        >>> learn_merges({(1, 2, 3): 2, (1, 2): 1}, first_id=4, most=9, ties="first")
        [(1, 2), (4, 3)]
    """
    merges: list[Pair] = []
    while len(merges) < most:
        counts: dict[Pair, int] = {}  # a dict keeps the order in which the pairs were met
        for word, count in words.items():
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + count
        if not counts:
            break
        if ties == "first":
            best = max(counts, key=lambda pair: counts[pair])  # of equals, max gives the first
        else:
            best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = {tuple(merge_everywhere(word, best, first_id + len(merges))): count for word, count in words.items()}
        merges.append(best)
    return merges


def merge_word(word: Sequence[int], merges: Sequence[Pair], merged: Sequence[int]) -> list[int]:
    """The word with the merges applied: always the earliest-learnt merge that fits, at its leftmost place.

    Args:
        word: ids of its bytes.
        merges: the pairs, in the order they were learnt.
        merged: the id that each pair becomes.

    Example:
        >>> merge_word([1, 2, 3], [(1, 2), (4, 3)], [4, 5])
        [5]
    """
    word = list(word)
    while True:
        places = {pair: place for place, pair in reversed(list(enumerate(pairwise(word))))}
        for pair, token in zip(merges, merged):
            if pair in places:
                place = places[pair]
                word[place : place + 2] = [token]
                break
        else:
            return word


def merge_everywhere(word: Sequence[int], pair: Pair, token: int) -> list[int]:
    """The word with every occurrence of the pair, read from the left, replaced by the token."""
    out: list[int] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] = token
        else:
            out.append(symbol)
    return out
