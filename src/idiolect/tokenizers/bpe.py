"""The tokenizer of byte-level BPE: its merges, and text to ids by them.

Learning counts each different word once (`reference_bpe.learn_merges`): it holds the different words, not the text.
Encoding a word of n bytes takes O(n log n) whatever the bytes, and words met before come from a bounded cache.

Ids: 0 is `<|endoftext|>`, then come the 256 bytes in the order of `byte_level.ALPHABET`, then the merges as they were
learnt. That is how Hugging Face's trainer numbers them, so its vocabulary and ours can be compared line by line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.byte_level import ALPHABET, utf8
from idiolect.tokenizers.patterns import splitter
from idiolect.tokenizers.reference_bpe import Pair, learn_merges, merge_word

TIES = ("first", "huggingface")
"""The tie rules: which of equally frequent pairs is merged (`reference` defines them)."""

_MOST_IDS = 0x110000  # while learning, an id is the letter chr(id)
_CACHED_WORDS = 50_000  # the cache is emptied when it holds this many words,
_CACHED_LENGTH = 64  # none of them longer than this many characters: some tens of MB at most


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
