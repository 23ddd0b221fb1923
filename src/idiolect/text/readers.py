"""From a file to its documents: plain text (a file is a document), jsonl and parquet (a row is a document).

Everything streams: plain text in parts, jsonl by the line, parquet by small batches of rows. An empty text, or one
that is null, is no document. A row's other columns become the document's fields.
"""

from __future__ import annotations

import datetime
import difflib
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet

from idiolect.errors import CorpusError
from idiolect.text.decoding import COMPRESSED, Reading, characters
from idiolect.text.document import StoredDocument, cut

LONGEST_LINE = 128 << 20
"""Characters in a line of jsonl beyond which the file is taken not to be jsonl at all."""

PARQUET_ROWS = 64
"""Rows of a parquet file that are decoded at a time."""

SURROGATE = re.compile("[\ud800-\udfff]")


def read_file(file: Path, reading: Reading) -> Iterator[StoredDocument]:
    """The documents of a file, by the ending of its name.

    Raises:
        CorpusError: the file cannot be read, is damaged, is not text, or lacks the text field.
    """
    match ending(file):
        case ".jsonl" | ".ndjson":
            yield from _read_jsonl(file, reading)
        case ".parquet":
            yield from _read_parquet(file, reading)
        case _:
            yield from _read_plain(file, reading)


def ending(file: Path) -> str:
    """The ending that says what a file holds, without the one that says how it is packed.

    Example:
        >>> ending(Path("letters.TXT.gz"))
        '.txt'
    """
    return Path(file.stem if file.suffix.lower() in COMPRESSED else file.name).suffix.lower()


def numbered_lines(file: Path, reading: Reading) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1; only a newline ends a line."""
    held = ""
    number = 0
    for chunk in itertools.chain(characters(file, reading), ("\n",)):
        *lines, held = (held + chunk).split("\n")
        for line in lines:
            number += 1
            if line.strip():
                yield number, line
        if len(held) > LONGEST_LINE:
            raise CorpusError(f"{file}, line {number + 1} is too long: jsonl has one row on each line.")


def parse_row(file: Path, number: int, line: str) -> object:
    """The JSON value on a line of a file."""
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        problem = f"{error.msg.lower()} at column {error.colno}"
    except (ValueError, RecursionError):
        problem = "a number or a nesting that is too large"
    raise CorpusError(f"{file}, line {number} is not JSON: {problem}. Mend that line, or leave the file out.")


def _read_plain(file: Path, reading: Reading) -> Iterator[StoredDocument]:
    parts = cut(characters(file, reading))
    head = list(itertools.islice(parts, 2))
    if len(head) == 1:  # short enough to keep, so that it need not be read again
        yield StoredDocument.of(head[0], {"source": file.name})
    elif head:
        yield StoredDocument({"source": file.name}, lambda: cut(characters(file, reading)))


def _read_jsonl(file: Path, reading: Reading) -> Iterator[StoredDocument]:
    replaced = 0
    for number, line in numbered_lines(file, reading):
        row = parse_row(file, number, line)
        if "\\u" in line and (dumped := json.dumps(row, ensure_ascii=False)) and SURROGATE.search(dumped):
            if reading.invalid == "refuse":
                raise CorpusError(
                    f"{file}, line {number} has half of a surrogate pair, which is not a character. "
                    'Mend it, or read it with invalid = "replace" to turn it into U+FFFD.'
                )
            dumped, halves = SURROGATE.subn("\ufffd", dumped)
            replaced += halves
            row = json.loads(dumped)
            reading.count_replaced(file, "surrogates", replaced)
        if isinstance(row, str):
            row = {reading.text_field: row}
        if not isinstance(row, dict):
            raise CorpusError(f"{file}, line {number} is neither an object nor a string: each row must be one.")
        if reading.text_field not in row:
            raise CorpusError(_no_field(f"{file}, line {number}", reading.text_field, row))
        text = row.pop(reading.text_field)
        if text is not None and not isinstance(text, str):
            raise CorpusError(
                f'{file}, line {number}: the field "{reading.text_field}" is not a string. '
                "Name the field that holds the text (text_field)."
            )
        if text:
            yield StoredDocument.of(text, {"source": file.name, **row})


def _read_parquet(file: Path, reading: Reading) -> Iterator[StoredDocument]:
    row = replaced = 0
    for texts, others in _parquet_rows(file, reading):
        for data, fields in zip(texts.to_pylist(), others.to_pylist(), strict=True):
            row += 1
            text = decode_cell(file, row, data or b"", reading)
            replaced += text.count("\ufffd") - (data or b"").count(b"\xef\xbf\xbd")
            reading.count_replaced(file, "bytes", replaced)
            if text:
                plain = {name: _json_value(value) for name, value in fields.items()}
                yield StoredDocument.of(text, {"source": file.name, **plain})


def open_parquet(file: Path, reading: Reading, rows: int) -> Iterator[arrow.Array]:
    """The column that holds the text, so many rows at a time, as an array of undecoded bytes (large binary)."""
    for texts, _ in _parquet_rows(file, reading, rows, only_text=True):
        yield texts


def _parquet_rows(
    file: Path, reading: Reading, rows: int = PARQUET_ROWS, *, only_text: bool = False
) -> Iterator[tuple[arrow.Array, arrow.RecordBatch]]:
    """The texts of a parquet file, undecoded, and its other columns, a few rows at a time."""
    if file.suffix.lower() in COMPRESSED:
        raise CorpusError(f"{file}: parquet is compressed inside already; unpack the file first.")
    field = reading.text_field
    try:
        with parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as table:
            names = table.schema_arrow.names
            if field not in names:
                raise CorpusError(_no_field(str(file), field, names))
            columns = [field] if only_text else None
            for batch in table.iter_batches(rows, columns=columns, use_threads=False):
                yield _as_bytes(file, batch.column(field), reading), batch.drop_columns([field])
    except (arrow.ArrowException, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise CorpusError(f"{file} cannot be read as parquet ({reason}): copy or make it again.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).splitlines()[0].rstrip(".")
        raise CorpusError(f"{file} cannot be read: {reason}.") from None


def _as_bytes(file: Path, column: arrow.Array, reading: Reading) -> arrow.Array:
    """The texts of a parquet column, undecoded: parquet does not promise that they are UTF-8."""
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kinds = (arrow.string(), arrow.large_string(), arrow.binary(), arrow.large_binary())
    if column.type not in kinds:
        raise CorpusError(
            f'{file}: the column "{reading.text_field}" holds {column.type}, not strings. '
            "Name the column that holds the text (text_field)."
        )
    return column.cast(arrow.large_binary())


def decode_cell(file: Path, row: int, data: bytes, reading: Reading) -> str:
    """The text of a cell.

    Raises:
        CorpusError: it is not UTF-8 and `reading` refuses such.
    """
    try:
        return data.decode("utf-8", errors="strict" if reading.invalid == "refuse" else "replace")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{file}, row {row} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start} of the text. "
            'Mend it, or read it with invalid = "replace" to turn such bytes into U+FFFD.'
        ) from None


def _json_value(value: object) -> object:
    """A parquet value as JSON can say it: dates and times in ISO form, bytes in hexadecimal, the rest as it prints."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_json_value(item) for item in value]
        case dict():
            return {str(key): _json_value(item) for key, item in value.items()}
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _no_field(where: str, wanted: str, names: Iterable[object]) -> str:
    """The sentence for a row without the text field, with the nearest name it does have."""
    present = [str(name) for name in names]
    close = difflib.get_close_matches(wanted.lower(), [name.lower() for name in present], n=1)
    if close:
        nearest = next(name for name in present if name.lower() == close[0])
        others = f'; the nearest is "{nearest}"'
    else:
        others = ", only " + (", ".join(f'"{name}"' for name in present[:12]) or "nothing")
    return f'{where} has no field "{wanted}"{others}. Name the one that holds the text (text_field).'
