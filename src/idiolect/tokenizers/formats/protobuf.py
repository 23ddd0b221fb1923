"""Protocol buffers, as much of them as a SentencePiece model needs: messages as bytes, read and written by hand.

A message is a row of fields. Each begins with a number (field × 8 + wire type, in base 128, seven bits a byte), and its
content follows: another such number (0), eight bytes (1), a length and so many bytes (2), or four bytes (5). That is
the whole format (protobuf.dev, "Encoding"). Every length is checked against what is there, so that no file can make
the reader take more memory than the file itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from idiolect.errors import TokenizerError

NUMBER, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
_NAMES = {NUMBER: "a number", EIGHT_BYTES: "eight bytes", LENGTH: "a string or message", FOUR_BYTES: "four bytes"}
_LARGEST_FIELD = 2**29 - 1


class Message:
    """The fields of one message, by their number.

    A field that stands several times counts by its last, and a message in a field by all of them, one after another,
    which is what putting messages together means in this format.

    Args:
        data: the bytes of the message.
        what: what the message is, for messages to people.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self.what = what
        self._fields: dict[int, list[tuple[int, int | bytes]]] = {}
        for number, kind, value in _fields(data, what):
            self._fields.setdefault(number, []).append((kind, value))

    def several(self, number: int, name: str) -> list[bytes]:
        """The contents of a repeated field of messages or strings."""
        return [value for value in self._values(number, LENGTH, name) if isinstance(value, bytes)]

    def message(self, number: int, name: str) -> Message:
        """The message in a field; an empty one where it is missing."""
        return Message(b"".join(self.several(number, name)), name)

    def raw(self, number: int, name: str) -> bytes:
        """The bytes of a field; none where it is missing."""
        return (self.several(number, name) or [b""])[-1]

    def text(self, number: int, name: str, default: str) -> str:
        """The string of a field."""
        if number not in self._fields:
            return default
        try:
            return self.raw(number, name).decode("utf-8")
        except UnicodeDecodeError:
            raise TokenizerError(f"{name} is not valid UTF-8.") from None

    def number(self, number: int, name: str, default: int) -> int:
        """The whole number of a field."""
        values = self._values(number, NUMBER, name)
        return int(values[-1]) if values else default

    def truth(self, number: int, name: str, default: bool) -> bool:
        """The truth value of a field."""
        return self.number(number, name, int(default)) != 0

    def real(self, number: int, name: str, default: float) -> float:
        """The 32-bit real number of a field."""
        values = self._values(number, FOUR_BYTES, name)
        return float(struct.unpack("<f", struct.pack("<I", values[-1]))[0]) if values else default

    def _values(self, number: int, kind: int, name: str) -> list[int | bytes]:
        found = self._fields.get(number, [])
        for other, _ in found:
            if other != kind:
                raise TokenizerError(f"{name} should be {_NAMES[kind]} and is {_NAMES[other]}.")
        return [value for _, value in found]


def _fields(data: bytes, what: str) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and content of each field, in order."""
    at = 0
    while at < len(data):
        key, at = _number(data, at, what)
        number, kind = key >> 3, key & 7
        if not 1 <= number <= _LARGEST_FIELD or kind not in _NAMES:
            raise TokenizerError(f"{what} is not a protocol buffer: it has field {number} of wire type {kind}.")
        if kind == NUMBER:
            value, at = _number(data, at, what)
            yield number, kind, value
            continue
        size = 8 if kind == EIGHT_BYTES else 4
        if kind == LENGTH:
            size, at = _number(data, at, what)
        if size > len(data) - at:
            raise TokenizerError(
                f"{what} is cut short: field {number} needs {size} bytes and {len(data) - at} are left."
            )
        content = data[at : at + size]
        at += size
        yield number, kind, content if kind == LENGTH else int.from_bytes(content, "little")


def _number(data: bytes, at: int, what: str) -> tuple[int, int]:
    """The number in base 128 at a place, and the place after it."""
    value = 0
    for n, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at + n + 1
    raise TokenizerError(f"{what} is cut short or damaged: there is no number at byte {at}.")


def field(number: int, value: bool | int | float | str | bytes) -> bytes:
    """One field as bytes; its wire type follows from the value (float: four bytes)."""
    match value:
        case bool() | int():
            return _base_128(number << 3 | NUMBER) + _base_128(int(value))
        case float():
            return _base_128(number << 3 | FOUR_BYTES) + struct.pack("<f", value)
        case _:
            content = value.encode() if isinstance(value, str) else value
            return _base_128(number << 3 | LENGTH) + _base_128(len(content)) + content


def _base_128(value: int) -> bytes:
    value &= 2**64 - 1  # a negative number takes ten bytes, as two's complement
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
