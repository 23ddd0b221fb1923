"""A GGUF file: what llama.cpp and the tools around it read (github.com/ggml-org/ggml, docs/gguf.md, version 3).

It is a head, metadata (names with typed values), a list of tensors, and their numbers, each from a multiple of 32 bytes
on; all little-endian. Writing holds one tensor at a time beside the model.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from idiolect.errors import ModelError

Value = bool | int | float | str | bytes | Sequence[str] | Sequence[int] | Sequence[float]
"""Of a name in the metadata: an int is written with 32 bits and no sign, a float with 32 bits, bytes as numbers."""
Type = Literal["f32", "f16", "q8_0"]
"""How numbers are kept: 32 bits, 16 bits, or 8 bits with a scale of 16 bits for each 32 of them (8.5 bits)."""

FILE_TYPES: dict[Type, int] = {"f32": 0, "f16": 1, "q8_0": 7}
"""What `general.file_type` calls them."""

_ALIGNMENT = 32
_BLOCK = 32  # numbers of q8_0 that share a scale
_TENSOR_TYPES: dict[Type, int] = {"f32": 0, "f16": 1, "q8_0": 8}
_BYTES, _U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 0, 4, 5, 6, 7, 8, 9


def write(path: Path, metadata: Mapping[str, Value], tensors: Mapping[str, Tensor], kept_as: Type) -> None:
    """Write a file.

    Args:
        path: where to.
        metadata: names and values.
        tensors: names and numbers; a matrix (rows, columns) as `nn.Linear` has it. Vectors are always kept as f32.
        kept_as: how matrices are kept; one whose rows are no multiple of 32 is kept as f16 instead of q8_0.

    Raises:
        ModelError: a number is too large for f16.
    """
    types = {name: _type_of(tensor, kept_as) for name, tensor in tensors.items()}
    with open(path, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        for name, value in metadata.items():
            file.write(_string(name) + _typed(value))
        offset = 0
        for name, tensor in tensors.items():
            sizes = tensor.shape[::-1]
            file.write(_string(name) + struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes))
            file.write(struct.pack("<IQ", _TENSOR_TYPES[types[name]], offset))
            offset += _padded(_bytes_of(tensor, types[name]))
        _pad(file)
        for name, tensor in tensors.items():
            file.write(_encoded(name, tensor, types[name]))
            _pad(file)


def quantized(rows: npt.NDArray[np.float32]) -> bytes:
    """q8_0: of each 32 numbers the largest in size becomes ±127, and the others as many steps of the same scale.

    Args:
        rows: numbers, a multiple of 32 in all.
    """
    blocks = rows.reshape(-1, _BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    steps = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales > 0)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps)  # halves away from zero, as ggml rounds them
    stored = np.empty(len(blocks), np.dtype([("scale", "<f2"), ("steps", "i1", _BLOCK)]))
    stored["scale"], stored["steps"] = scales[:, 0], rounded
    return stored.tobytes()


def _type_of(tensor: Tensor, kept_as: Type) -> Type:
    if tensor.ndim < 2:
        return "f32"
    return "f16" if kept_as == "q8_0" and tensor.shape[-1] % _BLOCK else kept_as


def _bytes_of(tensor: Tensor, kind: Type) -> int:
    match kind:
        case "f32":
            return 4 * tensor.numel()
        case "f16":
            return 2 * tensor.numel()
        case "q8_0":
            return tensor.numel() // _BLOCK * (2 + _BLOCK)


def _encoded(name: str, tensor: Tensor, kind: Type) -> bytes:
    numbers = tensor.detach().float().cpu().contiguous().numpy()
    limit = float(np.finfo(np.float16).max) * (127 if kind == "q8_0" else 1)
    if kind != "f32" and np.abs(numbers).max() > limit:
        raise ModelError(f"{name} holds a number beyond {limit:g}, too large for {kind}: choose the type f32.")
    match kind:
        case "f32":
            return numbers.astype("<f4").tobytes()
        case "f16":
            return numbers.astype("<f2").tobytes()
        case "q8_0":
            return quantized(numbers)


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _pad(file: BinaryIO) -> None:
    file.write(bytes(_padded(file.tell()) - file.tell()))


def _string(text: str) -> bytes:
    written = text.encode()
    return struct.pack("<Q", len(written)) + written


def _typed(value: Value) -> bytes:
    """The number of a value's type, and the value."""
    match value:
        case bool():
            return struct.pack("<I?", _BOOL, value)
        case int():
            return struct.pack("<II", _U32, value)
        case float():
            return struct.pack("<If", _F32, value)
        case str():
            return struct.pack("<I", _STRING) + _string(value)
        case bytes():
            return struct.pack("<IIQ", _ARRAY, _BYTES, len(value)) + value
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(_string(str(one)) for one in value)
    if value and isinstance(value[0], float):
        return struct.pack("<IIQ", _ARRAY, _F32, len(value)) + np.array(value, "<f4").tobytes()
    return struct.pack("<IIQ", _ARRAY, _I32, len(value)) + np.array(value, "<i4").tobytes()
