"""The tensors of a safetensors file as arrays that stay in the file.

A safetensors file is eight bytes with the length of its header, the header in JSON, and the numbers behind it
(https://github.com/huggingface/safetensors, "Format"). Nothing is read but the header; the arrays are read-only, and
the system brings in what is used. A header is believed only as far as the file is long.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idiolect.errors import VectorsError

TYPES: Final = {"F32": "<f4", "I64": "<i8"}
"""The kinds of number that vectors and counts come in."""
_LONGEST: Final = 10**8  # bytes of a header, as the format has it


def mapped_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Each tensor of a file by its name.

    Raises:
        VectorsError: the file cannot be read, is damaged, or has a tensor of another kind than `TYPES`.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 0 < length <= min(_LONGEST, size - 8) else None
        if not isinstance(header, dict):
            raise ValueError("it has no header")
        header.pop("__metadata__", None)
        return {name: _mapped(path, 8 + length, size, entry) for name, entry in header.items()}
    except OSError as error:
        raise VectorsError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise VectorsError(f"{path} is damaged or is not a safetensors file ({error}).") from error


def _mapped(path: Path, begin: int, size: int, entry: dict[str, Any]) -> NDArray[Any]:
    shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
    if entry["dtype"] not in TYPES:
        raise ValueError(f"numbers of type {entry['dtype']} are not read")
    kind = np.dtype(TYPES[entry["dtype"]])
    whole = [*shape, start, end]
    if not all(type(number) is int and number >= 0 for number in whole):
        raise ValueError("a size or a place is no whole number")
    if end - start != math.prod(shape) * kind.itemsize or begin + end > size:
        raise ValueError("a tensor is longer or shorter than the file says")
    if start == end:
        return np.empty(shape, dtype=kind)
    return np.memmap(path, dtype=kind, mode="r", offset=begin + start, shape=shape)
