"""Files of word vectors that other tools write and read: word2vec's text and binary, GloVe's text, fastText's `.vec`.

    word2vec text     a line "V D", then a line for each word: it and D numbers; fastText's .vec is the same
    word2vec binary   a line "V D", then for each word: it, a space, D numbers as float32; a line's end may follow
    GloVe text        as word2vec's text, without the first line

Which it is, is seen from the file, not from its name; gzip is seen through. Nothing is believed before it is there: a
file that promises more than it holds costs no more memory than what it holds. Reading costs some 60 ns a number as
text, and a millisecond for a thousand words as binary; numbers are written so that they are read back the same.

Shapes: V words, D dimensions, B rows read together.
"""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from idiolect.disk import replacing
from idiolect.errors import UsageError, VectorsError

FileFormat = Literal["word2vec", "word2vec-binary", "glove"]

FloatBD = NDArray[np.float32]
Block = tuple[list[str], FloatBD]

_WORD: Final = 2**14  # bytes that a word may have in a file
_NUMBER: Final = 64  # bytes that a number may have as text
_DIMENSIONS: Final = 2**20  # the most that are believed: above all a file's first line might lie
_TOGETHER: Final = 2**18  # numbers that are made of text together
_BUFFER: Final = 2**20  # bytes that are read together
_FASTTEXT: Final = (793712314).to_bytes(4, "little")  # how fastText's own models begin
_SPACE: Final = re.compile(r"[ \t\n\r\v\f]")


def read_file(path: Path) -> tuple[list[str], FloatBD]:
    """The words and the matrix of a file, whichever of the formats it has.

    Raises:
        VectorsError: the file cannot be read, is of no known format, or is damaged: it says where.
    """
    try:
        with _opened(path) as file:
            return _gathered(*_blocks(path, file))
    except (OSError, EOFError, zlib.error) as error:  # gzip's own errors are an OSError with no strerror
        raise VectorsError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _opened(path: Path) -> IO[bytes]:
    """The bytes of a file, taken out of gzip where they are in it."""
    file: IO[bytes] = open(path, "rb", buffering=_BUFFER)  # noqa: SIM115  the caller closes it
    if file.read(2) == b"\x1f\x8b":
        file.close()
        return io.BufferedReader(gzip.GzipFile(path), _BUFFER)
    file.seek(0)
    return file


def _blocks(path: Path, file: IO[bytes]) -> tuple[int | None, int, Iterator[Block]]:
    """How many words the file promises, the dimensions, and its blocks one by one."""
    first = file.readline(_WORD + _NUMBER * _DIMENSIONS)
    if first.startswith(_FASTTEXT):
        raise VectorsError(f"{path} is a model in fastText's own format: give the .vec that lies beside it.")
    header = re.fullmatch(rb"\s*(\d{1,18})\s+(\d{1,18})\s*", first)
    if header is None:
        fields = first.split()
        dim = next((n for n, field in enumerate(reversed(fields[1:])) if not _is_number(field)), len(fields) - 1)
        if dim < 1 or b"\0" in first:
            raise VectorsError(f"{path} is no file of word vectors that is known here.")
        file.seek(0)
        return None, dim, _text_blocks(path, file, dim, 1)
    promised, dim = map(int, header.groups())
    if not promised or not 0 < dim <= _DIMENSIONS:
        raise VectorsError(f"{path} says that it has {promised:,} words of {dim:,} numbers: that cannot be.")
    place = file.tell()
    second = file.readline(_WORD + _NUMBER * dim).split()
    file.seek(place)
    if len(second) > dim and all(map(_is_number, second[-dim:])):
        return promised, dim, _text_blocks(path, file, dim, 2)
    return promised, dim, _binary_blocks(path, file, promised, dim)


def _gathered(promised: int | None, dim: int, blocks: Iterator[Block]) -> tuple[list[str], FloatBD]:
    """All blocks in one matrix, which grows by a quarter at a time: its size is what came, not what was promised."""
    words: list[str] = []
    matrix = np.empty((0, dim), dtype=np.float32)
    for names, rows_BD in blocks:
        if len(words) + len(names) > len(matrix):
            wanted = max(len(words) + len(names), len(matrix) + len(matrix) // 4)
            matrix.resize((min(wanted, max(promised or wanted, len(words) + len(names))), dim), refcheck=False)
        matrix[len(words) : len(words) + len(names)] = rows_BD
        words += names
    matrix.resize((len(words), dim), refcheck=False)
    if promised not in (None, len(words)):
        raise VectorsError(f"The file says that it has {promised:,} words, and has {len(words):,}: it is damaged.")
    return words, matrix


def _text_blocks(path: Path, file: IO[bytes], dim: int, number: int) -> Iterator[Block]:
    """Blocks of text from line `number` on."""
    longest, most = _WORD + _NUMBER * dim, max(_TOGETHER // dim, 1)
    rows: list[tuple[bytes, bytes]] = []
    begin = number
    while line := file.readline(longest):
        if len(line) == longest and not line.endswith(b"\n"):
            raise VectorsError(f"{path}, line {number:,} has more than a word and {dim} numbers: it is damaged.")
        if line.strip() or file.read(1):  # an empty line may end the file, nowhere else
            if not line.strip():
                raise VectorsError(f"{path}, line {number:,} is empty: the file is damaged.")
            rows.append(_divided(path, number, line, dim))
        number += 1
        if len(rows) == most:
            yield _text_block(path, begin, rows, dim)
            begin, rows = number, []
    if rows:
        yield _text_block(path, begin, rows, dim)


def _divided(path: Path, number: int, line: bytes, dim: int) -> tuple[bytes, bytes]:
    """A line as word and numbers. A word may have spaces in it, as some of GloVe's do, but not end like a number."""
    line = line.strip(b" \t\r\n")
    if line.count(b" ") == dim:
        word, _, numbers = line.partition(b" ")
        return word, numbers
    fields = line.rsplit(None, dim)
    if len(fields) <= dim or (len(fields[0].split()) > 1 and _is_number(fields[0].split()[-1])):
        found = len(line.split()) - 1
        raise VectorsError(f"{path}, line {number:,} has {found} numbers and others have {dim}: the file is damaged.")
    return fields[0], b" ".join(fields[1:])


def _text_block(path: Path, begin: int, rows: list[tuple[bytes, bytes]], dim: int) -> Block:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # where an older NumPy only warns of what is no number
        try:
            values = np.fromstring(b" ".join(numbers for _, numbers in rows), dtype=np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            values = np.empty(0)
    if len(values) != len(rows) * dim or not np.isfinite(values).all():
        for number, (_, numbers) in enumerate(rows, start=begin):
            if len(numbers.split()) != dim or not all(_is_finite(text) for text in numbers.split()):
                raise VectorsError(f"{path}, line {number:,} has something that is no number: the file is damaged.")
        raise VectorsError(f"{path}, line {begin:,} and those after it cannot be read: the file is damaged.")
    with np.errstate(over="ignore"):  # an infinity is refused with its word
        matrix_BD = values.astype(np.float32).reshape(len(rows), dim)
    return [_word(path, f"line {begin + place:,}", word) for place, (word, _) in enumerate(rows)], matrix_BD


def _binary_blocks(path: Path, file: IO[bytes], promised: int, dim: int) -> Iterator[Block]:
    size, most = 4 * dim, max(_TOGETHER // dim, 1)
    held, place = b"", 0
    for start in range(0, promised, most):
        words, parts = [], []
        for number in range(start + 1, min(start + most, promised) + 1):
            end = held.find(b" ", place)
            while end < 0 or len(held) < end + 1 + size:
                more = file.read(_BUFFER)
                if not more:
                    raise VectorsError(f"{path} ends in the middle of word {number:,} of {promised:,}: it is damaged.")
                held, place = held[place:] + more, 0
                end = held.find(b" ", 0, _WORD + size)
                if end < 0 and len(held) > _WORD:
                    break
            name = held[place : max(end, place)].lstrip(b"\n")
            if not 0 < len(name) <= _WORD:
                raise VectorsError(f"{path}: word {number:,} has no name or no end: the file is damaged.")
            words.append(_word(path, f"word {number:,}", name))
            parts.append(held[end + 1 : end + 1 + size])
            place = end + 1 + size
        yield words, np.frombuffer(b"".join(parts), dtype="<f4").reshape(len(words), dim)
    if (held[place:] + file.read(_BUFFER)).strip():
        raise VectorsError(f"{path} goes on after the {promised:,} words that it says it has: it is damaged.")


def _word(path: Path, where: str, word: bytes) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        raise VectorsError(f"{path}, {where} is not UTF-8: the file is damaged or in another encoding.") from None


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return b"_" not in text


def _is_finite(text: bytes) -> bool:
    return _is_number(text) and bool(np.isfinite(float(text)))


def write_file(path: Path, words: list[str], matrix_VD: NDArray[np.float32], file_format: FileFormat) -> None:
    """Write a file that others read: whole, or not at all.

    Raises:
        UsageError: a word is empty or has white space in it, which these formats cannot tell from their own.
        OSError: it cannot be written.
    """
    stray = next((word for word in words if not word or _SPACE.search(word)), None)
    if stray is not None:
        raise UsageError(
            f"The word {stray!r} is empty or has a space in it, which {file_format} files cannot hold: save a folder."
        )
    row: Callable[[NDArray[Any]], bytes]
    match file_format:
        case "word2vec-binary":
            row = _binary_row
        case "word2vec" | "glove":
            row = _text_row
        case _:
            raise UsageError(f"There is no format '{file_format}': choose word2vec, word2vec-binary or glove.")
    with replacing(path) as unfinished, open(unfinished, "wb", buffering=_BUFFER) as file:
        if file_format != "glove":
            file.write(f"{len(words)} {matrix_VD.shape[1]}\n".encode())
        for word, vector_D in zip(words, matrix_VD):
            file.write(word.encode() + b" " + row(vector_D) + b"\n")


def _binary_row(vector_D: NDArray[Any]) -> bytes:
    return vector_D.astype("<f4").tobytes()


def _text_row(vector_D: NDArray[Any]) -> bytes:
    """Nine digits tell every float32 from every other."""
    return " ".join(f"{value:.9g}" for value in vector_D.tolist()).encode()
