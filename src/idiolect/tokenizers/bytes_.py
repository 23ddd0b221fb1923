"""The byte tokenizer: a text is its bytes in UTF-8, and there is nothing to learn.

The smallest vocabulary that can write any text, in any language, and give it back exactly. The price is length: a
letter of English is one token, one of Greek two, a Chinese character three. Encoding copies the bytes.

Ids: a byte is its own id, and 256 is `<|endoftext|>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from idiolect.tokenizers.base import END_OF_TEXT, Ids, Places, Text, Tokenizer, string
from idiolect.tokenizers.byte_level import is_unicode, utf8


class ByteTokenizer(Tokenizer):
    """One id for each byte.

    Example:
        >>> ByteTokenizer().encode("né")
        [110, 195, 169]
    """

    kind = "bytes"

    def __init__(self) -> None:
        self.special_tokens = {END_OF_TEXT: 256}

    @property
    def vocab_size(self) -> int:
        """Number of ids: the 256 bytes and `<|endoftext|>`."""
        return 257

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special.

        Raises:
            TokenizerError: the text has a lone surrogate, which is no character.
        """
        return list(utf8(text))

    def encode_ordinary_many(
        self, texts: Sequence[Text], *, threads: int = 0, check: bool = False
    ) -> tuple[Ids, Places]:
        """Ids of each text end to end, and where each begins; with `check`, bytes that are not UTF-8 are refused."""
        encoded = [utf8(string(text)) if check or isinstance(text, str) else bytes(text) for text in texts]
        starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return np.frombuffer(b"".join(encoded), np.uint8).astype(np.uint32), starts

    def token_bytes(self, token_id: int) -> bytes:
        """The byte itself (of `<|endoftext|>`: its name's)."""
        return bytes([token_id]) if self._checked(token_id) < 256 else END_OF_TEXT.encode()

    def can_encode(self, text: str) -> bool:
        """Whether every character can be written: all can, but for lone surrogates, which are none."""
        return is_unicode(text)

    def rules(self) -> Iterator[object]:
        """There are none."""
        yield from ()
