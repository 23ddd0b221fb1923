"""Byte-level BPE in plain Python, quick enough to work with: learning, encoding, and the tokenizer made of them.

The same merges and the same ids as `reference`, which says what they are, at another price:

- learning counts each different word once, keeps the pairs in a heap, and looks at a merge only in the words where it
  occurs. After the text is read, its cost follows the number of symbols merged away, not merges × text; what it holds
  is the different words, not the text.
- encoding a word of n bytes takes O(n log n) whatever the bytes, and words met before come from a bounded cache.

Ids: 0 is `<|endoftext|>`, then come the 256 bytes in the order of `byte_level.ALPHABET`, then the merges as they were
learnt. That is how Hugging Face's trainer numbers them, so its vocabulary and ours can be compared line by line.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Self

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.byte_level import ALPHABET, utf8
from idiolect.tokenizers.patterns import splitter

Pair = tuple[int, int]

TIES = ("first", "huggingface")
"""The tie rules: which of equally frequent pairs is merged (`reference` defines them)."""

_MOST_IDS = 0x110000  # while learning, an id is the letter chr(id)
_CACHED_WORDS = 50_000  # the cache is emptied when it holds this many words,
_CACHED_LENGTH = 64  # none of them longer than this many characters: some tens of MB at most


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


class BytePairTokenizer(Tokenizer):
    """Byte-level BPE: any text can be written, and comes back exactly.

    Args:
        pieces: the bytes of each id (a special token's: its name).
        merges: pairs of ids in the order they were learnt; the bytes of each pair together are a piece.
        pattern: name of the pattern that cuts text into words, a key of `patterns.PATTERNS`.
        special_tokens: names and ids of the special tokens, `<|endoftext|>` among them.

    Example:
        >>> tokenizer = BytePairTokenizer.learn(["the car", "the cat"], vocab_size=259, pattern="gpt2", ties="first")
        >>> [tokenizer.token_bytes(i) for i in tokenizer.encode("that")]
        [b'th', b'a', b't']
    """

    kind = "bpe"

    def __init__(
        self,
        pieces: Sequence[bytes],
        merges: Sequence[Pair],
        pattern: str,
        special_tokens: Mapping[str, int],
    ) -> None:
        self.special_tokens = dict(special_tokens)
        self.pattern = pattern
        self.merges = list(merges)
        special = set(self.special_tokens.values())
        ids = {piece: token_id for token_id, piece in enumerate(pieces) if token_id not in special}
        self._pieces = list(pieces)
        self._id_of_byte = [ids[bytes([byte])] for byte in range(256)]
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._merged = [ids[pieces[left] + pieces[right]] for left, right in self.merges]
        self._split = splitter(pattern)
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def learn(cls, texts: Iterable[str], *, vocab_size: int, pattern: str, ties: str) -> Self:
        """Learn the merges from texts, read once.

        Args:
            texts: each is cut on its own, so that no word crosses from one into the next.
            vocab_size: ids in all: `<|endoftext|>`, the 256 bytes, and the merges.
            pattern: name of the pattern that cuts text into words, a key of `patterns.PATTERNS`.
            ties: which of equally frequent pairs is merged, "first" or "huggingface".

        Raises:
            TokenizerError: the vocabulary is smaller than the alphabet or larger than the text supports, the pattern
                or the tie rule is unknown, or a text has a lone surrogate.
        """
        smallest = 1 + len(ALPHABET)
        if ties not in TIES:
            raise TokenizerError(f"There is no tie rule {ties!r}: choose one of {', '.join(TIES)}.")
        if vocab_size < smallest:
            raise TokenizerError(
                f"A vocabulary of {vocab_size} is too small: {END_OF_TEXT} and the 256 bytes take {smallest} ids."
            )
        if vocab_size > _MOST_IDS:
            raise TokenizerError(f"A vocabulary of {vocab_size} is too large: {_MOST_IDS} ids is the most.")
        pieces = [END_OF_TEXT.encode(), *(bytes([byte]) for byte in ALPHABET)]
        words = _count_words(texts, pattern)
        merges = learn_merges(words, first_id=smallest, most=vocab_size - smallest, ties=ties)
        pieces_learnt = smallest + len(merges)
        if pieces_learnt < vocab_size:
            raise TokenizerError(
                f"A vocabulary of {vocab_size} is larger than the text supports: it allows {len(merges)} merges, so "
                f"{pieces_learnt} ids. Ask for at most that many, or give more text."
            )
        for left, right in merges:
            pieces.append(pieces[left] + pieces[right])
        return cls(pieces, merges, pattern, {END_OF_TEXT: 0})

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self._pieces)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special.

        Raises:
            TokenizerError: the text has a lone surrogate, which is no character.
        """
        utf8(text)
        ids: list[int] = []
        for word in self._split(text):
            ids += self._cache.get(word) or self._encode_word(word)
        return ids

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for (a special token's are its name's)."""
        return self._pieces[self._checked(token_id)]

    def can_encode(self, text: str) -> bool:
        """Whether every character can be written: all can, but for lone surrogates, which are none."""
        return not any("\ud800" <= character <= "\udfff" for character in text)

    def rules(self) -> Iterator[object]:
        """The pattern and the merges."""
        yield self.pattern
        yield from self.merges

    def _encode_word(self, word: str) -> list[int]:
        ids = merge_word([self._id_of_byte[byte] for byte in utf8(word)], self._ranks, self._merged)
        if len(word) <= _CACHED_LENGTH:
            if len(self._cache) >= _CACHED_WORDS:
                self._cache.clear()
            self._cache[word] = ids
        return ids


def _count_words(texts: Iterable[str], pattern: str) -> dict[tuple[int, ...], int]:
    """The different words of the texts, as ids of their bytes, with how often each occurs, in the order they appear."""
    split = splitter(pattern)
    counts: Counter[str] = Counter()
    for text in texts:
        utf8(text)
        counts.update(split(text))
    id_of_byte = {byte: token_id for token_id, byte in enumerate(ALPHABET, start=1)}
    return {tuple(id_of_byte[byte] for byte in utf8(word)): count for word, count in counts.items()}
