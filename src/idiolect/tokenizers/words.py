"""Splitting by spaces, the oldest way to make tokens of a text, and where it ends.

Two rules, each the name of a kind of tokenizer:

- `words`: a word is a run of letters and digits; a hyphen or an apostrophe between two of them belongs to the word
  (fine-tuning, don't); every other sign is a token by itself; the spaces between are dropped.
- `whitespace`: whatever stands between spaces is a word, its signs included.

The vocabulary is the most frequent words of a text. **This is not lossless**, and the only kind here that is not by
nature: a word that is not in the vocabulary becomes the token `<|unknown|>`, and decoding joins the words by single
spaces, so that text with single spaces between known words comes back and other text does not. Chinese and Japanese
write no spaces: a whole clause is one "word" here, and a learnt tokenizer (`bpe`, `unigram`) must serve.

Learning holds the different words of the text, of which there are many: about 300,000 in 100 MB of English.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Self

import regex

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.byte_level import is_unicode, utf8

Rule = Literal["words", "whitespace"]

RULES: dict[Rule, str] = {
    "words": r"[\p{L}\p{M}\p{N}]+(?:[-‐'’][\p{L}\p{M}\p{N}]+)*|\S",
    "whitespace": r"\S+",
}
"""What a word is, by the rule's name; what stands between words is dropped."""

UNKNOWN = "<|unknown|>"
"""The token of every word that is not in the vocabulary."""

_COMPILED = {rule: regex.compile(pattern) for rule, pattern in RULES.items()}


def split_words(text: str, rule: Rule = "words") -> list[str]:
    """The words and signs of `text`, in order, without the spaces.

    Example:
        >>> split_words("Don't fear fine-tuning!")
        ["Don't", 'fear', 'fine-tuning', '!']
    """
    words: list[str] = _COMPILED[rule].findall(text)
    return words


class WordTokenizer(Tokenizer):
    """One id for each of the most frequent words, and one for all others. Not lossless: see the top of this file.

    Ids: 0 is `<|endoftext|>`, 1 is `<|unknown|>`, then come the words, most frequent first.

    Args:
        words: the vocabulary, in the order of its ids, which begin at 2.
        rule: what a word is, "words" or "whitespace".

    Example:
        >>> tokenizer = WordTokenizer(["the", "cat"], "words")
        >>> tokenizer.encode("the cat, the dog")
        [2, 3, 1, 2, 1]
        >>> tokenizer.decode([2, 3, 1, 2, 1])
        'the cat <|unknown|> the <|unknown|>'
    """

    unknown: int = 1
    """The id of every word that is not in the vocabulary."""

    drops_first_space = True
    """Each token is a word with the space before it, and the text's first word has none."""

    def __init__(self, words: Sequence[str], rule: Rule) -> None:
        self.kind = rule
        self.rule: Rule = rule
        self.special_tokens = {END_OF_TEXT: 0}
        self.words = list(words)
        self._ids = {word: token_id for token_id, word in enumerate(self.words, start=2)}
        for word in self.words:
            if word in (END_OF_TEXT, UNKNOWN) or split_words(word, rule) != [word]:
                raise TokenizerError(f"{word!r} cannot be a token: by the rule {rule} it is not a word of a text.")
        if len(self._ids) < len(self.words):
            raise TokenizerError("A word stands twice in the vocabulary.")

    @classmethod
    def learn(cls, texts: Iterable[str], *, vocab_size: int, rule: Rule) -> Self:
        """Take the most frequent words of the texts, read once; of equally frequent ones the first by code points.

        Args:
            texts: where the words come from.
            vocab_size: ids at most: `<|endoftext|>`, `<|unknown|>` and the words.
            rule: what a word is, "words" or "whitespace".

        Raises:
            TokenizerError: there are no words, there is no room for any, or a text has a lone surrogate.
        """
        if vocab_size < 3:
            raise TokenizerError(
                f"A vocabulary of {vocab_size} is too small: {END_OF_TEXT}, {UNKNOWN} and one word take 3 ids."
            )
        counts: Counter[str] = Counter()
        for text in texts:
            utf8(text)
            counts.update(split_words(text, rule))
        del counts[END_OF_TEXT], counts[UNKNOWN]  # names of tokens, which a text must not be able to write
        if not counts:
            raise TokenizerError("The text is empty: there are no words to learn.")
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked[: vocab_size - 2], rule)

    @property
    def vocab_size(self) -> int:
        """Number of ids: the words, `<|endoftext|>` and `<|unknown|>`."""
        return 2 + len(self.words)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special; `unknown` for each word that is not in the vocabulary.

        Raises:
            TokenizerError: the text has a lone surrogate, which is no character.
        """
        utf8(text)
        return [self._ids.get(word, self.unknown) for word in split_words(text, self.rule)]

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of a word, with the space before it (of `<|endoftext|>`: its name's)."""
        place = self._checked(token_id)
        return [END_OF_TEXT, f" {UNKNOWN}"][place].encode() if place < 2 else f" {self.words[place - 2]}".encode()

    def ordinary_lengths(self, text: str | bytes) -> tuple[list[int], list[int]]:
        """Not known: the spaces between words belong to no token.

        Raises:
            TokenizerError: always.
        """
        raise TokenizerError(f"A tokenizer of kind {self.kind} drops spaces: it cannot say where its tokens stand.")

    def can_encode(self, text: str) -> bool:
        """Whether every character is taken: all are, known or not, but for lone surrogates, which are none."""
        return is_unicode(text)

    def rules(self) -> Iterator[object]:
        """What a word is."""
        yield RULES[self.rule]
