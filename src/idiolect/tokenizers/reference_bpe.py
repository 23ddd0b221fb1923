"""BPE in plain Python, quick enough for real text: the readable oracle of the native core.

The same merges and the same ids as `reference`, which says what they are, at another price:

- learning keeps the pairs in a heap and looks at a merge only in the words where it occurs. Its cost follows the number
  of symbols merged away, not merges × text.
- encoding a word of n bytes takes O(n log n) whatever the bytes.

The native core (`native/bpe_learn.cpp`, `native/bpe_encode.cpp`) does the same work; its tests compare it with this
file where `reference` would take too long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

Pair = tuple[int, int]


def learn_merges(words: Mapping[tuple[int, ...], int], *, first_id: int, most: int, ties: str) -> list[Pair]:
    """The merges learnt from counted words, as `reference.learn_merges` defines them.

    A heap holds every pair once, ranked by its count and, once that count is the highest, by the tie rule too. All
    occurrences of a pair are born in one merge, so counts only fall, and a rank is right as long as its count is:
    a pair that has lost no occurrence has moved past no other. A pair that is born with the count of the one just
    merged stands where that one stood, before all the others of that count.

    Args:
        words: each different word with how often it occurs, in the order of their first appearance.
        first_id: the id of the first merge; the next ones follow.
        most: how many merges to learn at most.
        ties: the tie rule, "first" or "huggingface".
    """
    text = _CountedWords(words)
    rank = text.rank_by_place if ties == "first" else text.rank_by_ids
    # A rank of the count alone comes before every full rank of that count, so all are made full before one is taken.
    heap: list[tuple[tuple[int, ...], str]] = [((-count,), pair) for pair, count in text.counts.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < most:
        known, pair = heappop(heap)
        count = text.counts[pair]
        if count == 0:
            text.forget(pair)
        elif known[0] != -count:
            heappush(heap, ((-count,), pair))
        elif len(known) == 1:
            heappush(heap, (rank(pair), pair))
        else:
            for born in text.merge(pair, chr(first_id + len(merges))):
                heappush(heap, ((-text.counts[born],), born))
            merges.append((ord(pair[0]), ord(pair[1])))
    return merges


class _CountedWords:
    """The words as they are cut now, how often each pair occurs in them, and where.

    A word is a string whose letters are tokens, `chr(id)`, and a pair a string of two: Python finds and replaces
    them at the speed of C.
    """

    def __init__(self, words: Mapping[tuple[int, ...], int]) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)
        self._words = ["".join(map(chr, word)) for word in words]
        self._times = list(words.values())
        self._places: dict[str, list[int]] = {}  # words that have or had the pair, by number, ascending
        for number, word in enumerate(self._words):
            for start in range(len(word) - 1):
                self._add(word[start : start + 2], number, self._places)

    def rank_by_ids(self, pair: str) -> tuple[int, ...]:
        """Most frequent first, then smaller ids."""
        return -self.counts[pair], ord(pair[0]), ord(pair[1])

    def rank_by_place(self, pair: str) -> tuple[int, ...]:
        """Most frequent first, then the one met first: by the number of the word and the place in it."""
        number = next(number for number in self._places[pair] if pair in self._words[number])
        return -self.counts[pair], number, self._words[number].index(pair)

    def merge(self, pair: str, token: str) -> Iterable[str]:
        """Replace the pair by the token in every word; gives the pairs that this brings into being."""
        left, right = pair[0], pair[1]
        born: dict[str, list[int]] = {}
        for number in self._places.pop(pair):
            parts = self._words[number].split(pair)
            self._words[number] = token.join(parts)
            last = len(parts) - 1
            for n, part in enumerate(parts):
                if part and n > 0:
                    self.counts[right + part[0]] -= self._times[number]
                    self._add(token + part[0], number, born)
                if part and n < last:
                    self.counts[part[-1] + left] -= self._times[number]
                    self._add(part[-1] + token, number, born)
                if not part and 0 < n < last:  # two occurrences side by side
                    self.counts[right + left] -= self._times[number]
                    self._add(token + token, number, born)
        del self.counts[pair]
        self._places.update(born)
        return born

    def forget(self, pair: str) -> None:
        """Drop a pair that occurs no more."""
        del self.counts[pair], self._places[pair]

    def _add(self, pair: str, number: int, places: dict[str, list[int]]) -> None:
        self.counts[pair] += self._times[number]
        numbers = places.setdefault(pair, [])
        if not numbers or numbers[-1] != number:
            numbers.append(number)


def merge_word(word: Sequence[int], ranks: Mapping[Pair, int], merged: Sequence[int]) -> list[int]:
    """The word with the merges applied, as `reference.merge_word` defines it, in O(n log n).

    The symbols are a linked list; a heap holds rank × n + place of every pair that can merge, so that the
    earliest-learnt merge comes first, and of its places the leftmost.

    Args:
        word: ids of its bytes.
        ranks: the place of each pair in the order they were learnt.
        merged: the id that each pair becomes, by rank.
    """
    n = len(word)
    gone = -1  # no pair has it: what is left of a place that was merged away, and what stands after the end
    ids = [*word, gone]
    before = list(range(-1, n))
    after = list(range(1, n + 1))
    heap = [ranks[pair] * n + place for place, pair in enumerate(pairwise(word)) if pair in ranks]
    heapify(heap)
    while heap:
        rank, place = divmod(heappop(heap), n)
        if ids[place] == gone or ranks.get((ids[place], ids[after[place]])) != rank:
            continue  # one of the two has been merged with another since
        second = after[place]
        ids[place], ids[second] = merged[rank], gone
        third = after[place] = after[second]
        before[third] = place
        first = before[place]
        if first >= 0 and (rank_before := ranks.get((ids[first], ids[place]))) is not None:
            heappush(heap, rank_before * n + first)
        if (rank_after := ranks.get((ids[place], ids[third]))) is not None:
            heappush(heap, rank_after * n + place)
    return [token for token in ids if token != gone]
