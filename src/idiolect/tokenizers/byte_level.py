"""Text as bytes, and the 256 bytes as 256 visible characters, in which vocabulary files write them.

A byte-level tokenizer starts from the 256 bytes of UTF-8, so it can write any text. JSON files cannot hold bytes:
GPT-2's code gave each byte a printable character (the byte's own Latin-1 character where that is visible, and those
from U+0100 on for the others), and every byte-level `tokenizer.json` since is written in them. A space becomes `Ġ`,
a newline `Ċ`.
"""

from __future__ import annotations

from idiolect.errors import TokenizerError


def _characters_of_bytes() -> dict[int, str]:
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


CHARACTER_OF_BYTE = _characters_of_bytes()
BYTE_OF_CHARACTER = {character: byte for byte, character in CHARACTER_OF_BYTE.items()}
ALPHABET = list(CHARACTER_OF_BYTE)
"""The bytes in the order of their ids: that of their characters, as Hugging Face's trainer numbers them."""


def to_characters(piece: bytes) -> str:
    """The bytes of a token as a vocabulary file writes them: `b" the"` → `"Ġthe"`."""
    return "".join(CHARACTER_OF_BYTE[byte] for byte in piece)


def to_bytes(token: str) -> bytes | None:
    """The bytes that a token in a vocabulary file stands for, or None where it has a character that is no byte."""
    if not all(character in BYTE_OF_CHARACTER for character in token):
        return None
    return bytes(BYTE_OF_CHARACTER[character] for character in token)


def is_unicode(text: str) -> bool:
    """Whether every character is one: all are, but for lone surrogates (halves of a UTF-16 pair)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def utf8(text: str) -> bytes:
    """The bytes of `text`.

    Raises:
        TokenizerError: a lone surrogate (half of a UTF-16 pair), which is no character and which UTF-8 cannot write.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"The text has a lone surrogate, {text[error.start]!r}, at position {error.start}, which is no character: "
            "read the text again with the encoding it was written in."
        ) from None
