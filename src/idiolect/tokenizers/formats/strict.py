"""Reading files that may come from anywhere: each fault gets its sentence, and nothing is passed over.

A tokenizer's file decides ids, and a setting misread would change them in silence. So types are exact (true is no
number), keys stand once, a setting that is not known is refused, and a file has a largest size. Messages name what
was found, cut short and in ASCII, whatever a damaged file holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from idiolect.errors import TokenizerError

Json = dict[str, object]
_T = TypeVar("_T")

_LARGEST_FILE = 256 * 2**20  # bytes; the largest vocabularies in use take some 30 MB


def read_bytes(file: Path) -> bytes:
    """What a file holds.

    Raises:
        TokenizerError: it cannot be read, or is larger than any tokenizer.
    """
    try:
        with open(file, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            content = source.read(_LARGEST_FILE) if size <= _LARGEST_FILE else b""
    except OSError as error:
        raise TokenizerError(f"it cannot be read ({error.strerror}).") from None
    if size > _LARGEST_FILE:
        raise TokenizerError(f"it is larger than {_LARGEST_FILE // 2**20} MiB, which no tokenizer is.")
    return content


def parse_json(content: bytes) -> Json:
    """The object that a JSON file holds.

    Raises:
        TokenizerError: it is not JSON, no object, or a key stands twice in one object.
    """
    try:
        settings = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"it is not valid JSON ({error}).") from None
    return of_type(dict, settings, "the file")


def _without_repeats(pairs: list[tuple[str, object]]) -> Json:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise TokenizerError(f"{short(repeated)} stands twice in one object.")
    return record


def of_type(kind: type[_T], value: object, what: str) -> _T:
    """The value itself where it has exactly this type (True is no int here)."""
    if type(value) is not kind:
        raise TokenizerError(f"{what} should be of type {kind.__name__} and is {short(value)}.")
    return value


def check(record: Json, what: str, *, accepted: Mapping[str, Sequence[object]], read: Collection[str]) -> None:
    """Refuse a setting that is unknown, or that has a value under which ids would differ from ours.

    Args:
        record: the settings.
        what: what they belong to, for the message.
        accepted: for each setting that is fixed here, the values that mean the same as ours.
        read: the settings that the caller reads itself.
    """
    for key, value in record.items():
        if key in accepted and not any(type(value) is type(plain) and value == plain for plain in accepted[key]):
            raise TokenizerError(f"{what} has {short(key)} set to {short(value)}, which is not supported.")
        if key not in accepted and key not in read:
            raise TokenizerError(f"{what} has a setting that is not known: {short(key)}.")


def without_holes(names: Iterable[tuple[str, object]]) -> list[str]:
    """The tokens in the order of their ids: each id once, without holes. The same pair may come twice.

    Raises:
        TokenizerError: an id is no number, is used twice or is missing.
    """
    by_id: dict[int, str] = {}
    ids: dict[str, int] = {}
    for name, value in names:
        token_id = of_type(int, value, f"the id of {short(name)}")
        if by_id.setdefault(token_id, name) != name:
            raise TokenizerError(f"{short(by_id[token_id])} and {short(name)} have the same id, {token_id}.")
        if ids.setdefault(name, token_id) != token_id:
            raise TokenizerError(f"{short(name)} has two ids, {ids[name]} and {token_id}.")
    for token_id in range(len(by_id)):
        if token_id not in by_id:
            raise TokenizerError(f"it has {len(by_id)} tokens, but none with id {token_id}: ids must have no holes.")
    return [by_id[token_id] for token_id in range(len(by_id))]


def short(value: object) -> str:
    """A value for a message: on one line, in ASCII, and not too long."""
    if isinstance(value, bytes):
        value = value[:100].decode("utf-8", errors="backslashreplace")
    if isinstance(value, str) and len(value) > 100:
        value = value[:100]
    try:
        written = json.dumps(value)
    except RecursionError:
        return "something nested very deeply"
    return written if len(written) <= 80 else written[:77] + "..."
