"""WordPiece, BERT's way of cutting text, as far as it takes to use the vocabularies that were learnt with it.

Text is cleaned (control characters dropped, Chinese characters set apart, accents and capitals taken away where the
vocabulary was learnt so), cut at spaces and around punctuation, and each word is written with the longest pieces of
the vocabulary from the left; a piece inside a word begins with `##`. A word that cannot be written becomes the unknown
token whole. So text does not come back exactly; nothing new is learnt here (Devlin et al., "BERT", 2019, section 3, and
Schuster and Nakajima, "Japanese and Korean voice search", 2012).

The ids are those of `tokenizers`, but for punctuation and accents that Unicode added after its version 8 of 2015, some
500 characters of rare scripts: the tables there stop at it.

Encoding a word of n characters tries O(n²) pieces at most, of at most `longest_word` characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.byte_level import is_unicode, utf8
from idiolect.tokenizers.finding import WHITESPACE
from idiolect.tokenizers.normalize import Normalizer

_CHINESE = re.compile(
    "([\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    "\U0002b920-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f])"
)
_SPACES, _RUNS = re.compile(f"[{WHITESPACE}]+"), re.compile(f"[^{WHITESPACE}]+")
_ASCII_SIGNS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@dataclass(frozen=True)
class BertCleaning:
    """What is done to a text before it is cut: BERT's four switches."""

    clean_text: bool = True
    """Drop control characters, and make every kind of space a plain one."""
    handle_chinese_chars: bool = True
    """Make each Chinese character a word."""
    strip_accents: bool = True
    """Drop accents and other marks over letters."""
    lowercase: bool = True
    """Turn capitals into small letters."""

    def __call__(self, text: str) -> str:
        """The text, cleaned."""
        if self.clean_text:
            text = _SPACES.sub(" ", "".join(c for c in text if not _is_control(c)))
        if self.handle_chinese_chars:
            text = _CHINESE.sub(r" \1 ", text)
        if self.strip_accents:
            text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        if self.lowercase:
            text = "".join(map(str.lower, text))  # one by one: a final sigma stays what it is
        return text


def _is_control(character: str) -> bool:
    if character in "\t\n\r":
        return False
    return character in "\0\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co")


class WordPieceTokenizer(Tokenizer):
    """WordPiece as BERT uses it.

    Args:
        pieces: the tokens by id, as the vocabulary writes them.
        unknown: the id of the token for what cannot be written.
        special_tokens: names and ids of the special tokens.
        cleaning: what is done to the text first: BERT's four switches, or a normalizer.
        prefix: what a piece inside a word begins with.
        longest_word: words of more characters are unknown.
        end_of_text: name of the special token between documents.

    Example:
        >>> pieces = ["[UNK]", "[SEP]", "un", "##want", "##ed"]
        >>> tokenizer = WordPieceTokenizer(pieces, unknown=0, special_tokens={"[UNK]": 0, "[SEP]": 1})
        >>> tokenizer.encode("Unwanted")
        [2, 3, 4]
    """

    kind = "wordpiece"

    unknown: int
    drops_first_space = True

    def __init__(
        self,
        pieces: Sequence[str],
        *,
        unknown: int,
        special_tokens: Mapping[str, int],
        cleaning: BertCleaning | Normalizer = BertCleaning(),
        prefix: str = "##",
        longest_word: int = 100,
        end_of_text: str = "[SEP]",
    ) -> None:
        self.pieces = list(pieces)
        self.unknown = unknown
        self.special_tokens = dict(special_tokens)
        self.cleaning = cleaning
        self.prefix = prefix
        self.longest_word = longest_word
        self.end_of_text_name = end_of_text
        self._ids = {piece: token_id for token_id, piece in enumerate(self.pieces)}

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self.pieces)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special.

        Raises:
            TokenizerError: the text has a lone surrogate, which is no character.
        """
        utf8(text)
        return [token for _, word in _words(self.cleaning(text)) for token in self._encode_word(word)]

    def ordinary_lengths(self, text: str) -> tuple[list[int], list[int]]:
        """Ids of `text`, in which nothing is special, and how many of its bytes each stands for: the spaces before it,
        and what cleaning takes away behind it, are a token's own.

        Raises:
            TokenizerError: cleaning is not done character by character, so that places are not known.
        """
        places = self._places(text) if isinstance(self.cleaning, BertCleaning) else []
        ids = [token for token, _ in places]
        if ids != self.encode_ordinary(text):
            raise TokenizerError("The places of the tokens are not known: the text is changed before it is cut.")
        ends = [end for _, end in places[:-1]] + [len(text)] * bool(places)
        return ids, [len(text[start:end].encode()) for start, end in zip([0, *ends], ends)]

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Each token, and the place in the text behind it."""
        assert isinstance(self.cleaning, BertCleaning)
        known: dict[str, str] = {}  # what becomes of a character
        cleaned: list[str] = []
        kept: list[int] = []  # places of characters of which something is left
        number: list[int] = []  # for each character of what is cleaned, the number of its place among these
        for place, character in enumerate(text):
            if character not in known:
                known[character] = self.cleaning(character)
            if known[character]:
                cleaned.append(known[character])
                number += [len(kept)] * len(known[character])
                kept.append(place)
        kept.append(len(text))
        found = []
        for at, word in _words("".join(cleaned)):
            for token in self._encode_word(word):
                at += len(word if token == self.unknown else self.pieces[token].removeprefix(self.prefix))
                found.append((token, kept[number[at - 1] + 1]))
        return found

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for: of one that begins a word, with a space before it."""
        piece = self.pieces[self._checked(token_id)]
        if piece in self.special_tokens:
            return piece.encode()
        return piece.removeprefix(self.prefix).encode() if piece.startswith(self.prefix) else f" {piece}".encode()

    def can_encode(self, text: str) -> bool:
        """Whether it can be written, if only as unknown: all can, but for lone surrogates, which are no characters."""
        return is_unicode(text)

    def rules(self) -> Iterator[object]:
        """The switches, the prefix and the longest word."""
        cleaning = asdict(self.cleaning) if isinstance(self.cleaning, BertCleaning) else self.cleaning.to_json()
        yield [cleaning, self.prefix, self.longest_word, self.unknown]

    def _encode_word(self, word: str) -> list[int]:
        if len(word) > self.longest_word:
            return [self.unknown]
        ids: list[int] = []
        start = 0
        while start < len(word):
            before = self.prefix if start else ""
            for end in range(len(word), start, -1):
                if (token_id := self._ids.get(before + word[start:end])) is not None:
                    break
            else:
                return [self.unknown]
            ids.append(token_id)
            start = end
        return ids


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Cut at spaces and around each sign of punctuation; each word with the place where it begins."""
    for run in _RUNS.finditer(text):
        word = ""
        for place, character in enumerate(run[0], run.start()):
            if character in _ASCII_SIGNS or unicodedata.category(character)[0] == "P":
                if word:
                    yield place - len(word), word
                yield place, character
                word = ""
            else:
                word += character
        if word:
            yield run.end() - len(word), word
