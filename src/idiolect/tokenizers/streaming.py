"""Ids into text one at a time, as a model makes them."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from idiolect.tokenizers.base import Tokenizer


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
