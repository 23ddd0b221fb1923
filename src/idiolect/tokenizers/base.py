"""What every tokenizer can do, whatever it learnt: text to ids, ids to bytes, bytes to text.

A tokenizer converts any string into a sequence of tokens. The families differ in how they learn and
segment; what a caller needs of them stands here. Ids are plain Python ints; special tokens are ids that text can never
produce by accident: `encode("<|endoftext|>")` yields ordinary tokens unless the caller allows the special one.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from idiolect.errors import TokenizerError

if TYPE_CHECKING:
    from idiolect.text.corpus import Corpus

END_OF_TEXT = "<|endoftext|>"
"""The special token between documents: it opens and closes each one (GPT-2's convention)."""

PROBE = (
    "The quick brown fox, it's 3.14159 o'clock — naïve café, 你好世界, こんにちは, Привет!\n"
    "\tdef f(x):\r\n        return x ** 2  # 100%   <|endoftext|> 😀👩‍👩‍👧 ﬁ Å e\u0301 \u00a0end "
)
"""The fixed text whose ids identify a tokenizer (its fingerprint)."""


class Tokenizer(ABC):
    """A tokenizer: `train` or `load` one, then `encode` and `decode`.

    Example:
        >>> tokenizer = Tokenizer.train(["the car", "the cat"], kind="characters")
        >>> tokenizer.decode(tokenizer.encode("the cat"))
        'the cat'
    """

    kind: str
    """The family's name, as `--kind` takes it."""

    special_tokens: dict[str, int]
    """Special tokens and their ids; `END_OF_TEXT` is always among them."""

    drops_first_space: bool = False
    """Whether encoding puts a space in front of a text, so that decoding takes it away."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids, special tokens included: every id is in `range(vocab_size)`."""

    @abstractmethod
    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special."""

    @abstractmethod
    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for (a special token's are its name's)."""

    @abstractmethod
    def can_encode(self, text: str) -> bool:
        """Whether `encode` takes every character of `text`."""

    @abstractmethod
    def rules(self) -> Iterator[object]:
        """What decides the ids beside the pieces, as JSON values (BPE: pattern and merges): part of the fingerprint."""

    def encode(self, text: str, *, allowed_special: Collection[str] = ()) -> list[int]:
        """Ids of `text`. Special tokens in the text are ordinary text unless named in `allowed_special`.

        Raises:
            TokenizerError: a character that the tokenizer cannot write, or a name that is no special token of it.
        """
        if not allowed_special:
            return self.encode_ordinary(text)
        for name in allowed_special:
            if name not in self.special_tokens:
                known = ", ".join(self.special_tokens)
                raise TokenizerError(f"{name!r} is no special token of this tokenizer: it has {known}.")
        longest_first = sorted(allowed_special, key=len, reverse=True)
        ids: list[int] = []
        for part in re.split(f"({'|'.join(map(re.escape, longest_first))})", text):
            if part in allowed_special:
                ids.append(self.special_tokens[part])
            else:
                ids += self.encode_ordinary(part)
        return ids

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, as Hugging Face reads them, into an existing folder."""
        from idiolect.tokenizers.formats import save_tokenizer  # the formats know the families, which know this file

        save_tokenizer(self, folder)

    @property
    def end_of_text(self) -> int:
        """The id of `<|endoftext|>`, which opens and closes every document."""
        return self.special_tokens[END_OF_TEXT]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`, exactly; special tokens give nothing."""
        special = set(self.special_tokens.values())
        text = b"".join(self.token_bytes(i) for i in ids if i not in special)
        return text.removeprefix(b" ") if self.drops_first_space else text

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD; special tokens give nothing."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def stream(self) -> StreamDecoder:
        """A decoder that takes one id at a time and never emits half a character."""
        return StreamDecoder(self)

    def fingerprint(self) -> str:
        """What identifies this tokenizer in every artifact made with it: a sha256, in hexadecimal.

        It covers all that decides the ids (kind, special tokens, pieces, merges, pattern) and, so that a change of the
        code or of Unicode's tables shows too, the ids of what it can write of a fixed probe text.
        """
        probe = "".join(character for character in PROBE if self.can_encode(character))
        pieces = [self.token_bytes(token_id).hex() for token_id in range(self.vocab_size)]
        special = sorted(self.special_tokens.items())
        identity = [self.kind, special, pieces, list(self.rules()), self.encode(probe)]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def _checked(self, token_id: int) -> int:
        """The id itself, where there is such an id."""
        if not 0 <= token_id < self.vocab_size:
            raise TokenizerError(f"There is no token {token_id}: this tokenizer has ids 0 to {self.vocab_size - 1}.")
        return token_id

    @staticmethod
    def train(
        texts: Corpus | Sequence[str],
        *,
        kind: str = "bpe",
        vocab_size: int = 8000,
        pattern: str = "gpt2",
        ties: str = "first",
    ) -> Tokenizer:
        """Learn a tokenizer from a corpus or from a list of strings (each a document).

        Args:
            texts: a `Corpus`, or the texts themselves.
            kind: "bpe" (byte-level), "words", "whitespace", "characters" or "bytes".
            vocab_size: ids in all, special tokens and the 256 bytes included; words and characters: at most that many.
            pattern: how text is cut before merging, for BPE: a key of `patterns.PATTERNS`.
            ties: which of the equally frequent pairs is merged: "first" (met first) or "huggingface" (smallest ids).

        Raises:
            TokenizerError: the vocabulary is smaller than the alphabet or larger than the text supports.
        """
        from idiolect.tokenizers.formats import train_tokenizer

        return train_tokenizer(texts, kind=kind, vocab_size=vocab_size, pattern=pattern, ties=ties)

    @staticmethod
    def load(path: str | Path) -> Tokenizer:
        """Read a tokenizer from a folder (a tokenizer's, a model's) or from a `tokenizer.json`.

        Raises:
            TokenizerError: there is none, or it is damaged, or of a kind this package does not read.
        """
        from idiolect.tokenizers.formats import load_tokenizer

        return load_tokenizer(Path(path))


class StreamDecoder:
    """Turns ids into text one at a time, holding back the bytes of an unfinished character.

    Example:
        >>> stream = tokenizer.stream()
        >>> "".join(stream.push(i) for i in ids) + stream.flush() == tokenizer.decode(ids)
        True
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.special_tokens.values())
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._drops_space = tokenizer.drops_first_space

    def push(self, token_id: int) -> str:
        """The text that is certain once this id has come; often empty in the middle of a character."""
        if token_id in self._special:
            return ""
        piece = self._tokenizer.token_bytes(token_id)
        if piece and self._drops_space:
            piece = piece.removeprefix(b" ")
            self._drops_space = False
        return self._utf8.decode(piece)

    def flush(self) -> str:
        """What remains at the end: U+FFFD for a character that never finished."""
        return self._utf8.decode(b"", final=True)
