"""The character tokenizer: one id for each different character of the text it learnt from.

The simplest tokenizer that gives back what it was given, and the one for small experiments: the vocabulary is tiny
and the sequences are long. It knows no character that it has not met: encoding one is refused, never dropped or
replaced in silence. Learning reads the text once and holds the set of its characters; encoding is one look-up for
each character.

Ids: 0 is `<|endoftext|>`, then come the characters by code point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.byte_level import utf8


class CharacterTokenizer(Tokenizer):
    """One id for each character.

    Args:
        alphabet: the characters in the order of their ids, which begin at 1.

    Example:
        >>> CharacterTokenizer("abc").encode("cab")
        [3, 1, 2]
    """

    kind = "characters"

    def __init__(self, alphabet: Iterable[str]) -> None:
        self.special_tokens = {END_OF_TEXT: 0}
        self.alphabet = list(alphabet)
        self._ids = {character: token_id for token_id, character in enumerate(self.alphabet, start=1)}

    @classmethod
    def learn(cls, texts: Iterable[str], *, vocab_size: int) -> Self:
        """Take the alphabet of the texts, read once.

        Args:
            texts: where the characters come from.
            vocab_size: ids at most: `<|endoftext|>` and the characters. The vocabulary is as large as the text needs.

        Raises:
            TokenizerError: there are no characters, more than `vocab_size` allows, or a lone surrogate.
        """
        alphabet: set[str] = set()
        for text in texts:
            utf8(text)
            alphabet.update(text)
        if not alphabet:
            raise TokenizerError("The text is empty: there are no characters to learn.")
        if 1 + len(alphabet) > vocab_size:
            raise TokenizerError(
                f"A vocabulary of {vocab_size} is too small: the text has {len(alphabet)} different characters, which "
                f"take {1 + len(alphabet)} ids with {END_OF_TEXT}. Ask for at least that many."
            )
        return cls(sorted(alphabet))

    @property
    def vocab_size(self) -> int:
        """Number of ids: the characters and `<|endoftext|>`."""
        return 1 + len(self.alphabet)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special.

        Raises:
            TokenizerError: a character that is not in the alphabet; the message names it and its position.
        """
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            position = next(n for n, character in enumerate(text) if character not in self._ids)
            raise TokenizerError(
                f"The character {text[position]!r} (U+{ord(text[position]):04X}) at position {position} was not in the "
                "text that this character tokenizer learnt from: take it out, or learn a tokenizer of kind bpe, which "
                "can write any text."
            ) from None

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of a character in UTF-8 (of `<|endoftext|>`: its name's)."""
        place = self._checked(token_id)
        return (self.alphabet[place - 1] if place else END_OF_TEXT).encode()

    def can_encode(self, text: str) -> bool:
        """Whether every character of `text` is in the alphabet."""
        return all(character in self._ids for character in text)

    def rules(self) -> Iterator[object]:
        """There are none but the alphabet."""
        yield from ()
