"""Checkpoints: folders `step-00000500` in which a run keeps what it needs to go on, each whole or not there at all.

    <folder>/step-00000500/
      <payload>      one file, which the run writes as it likes
      state.json     what else there is to know, and a sha256 over the folder's name, these and the payload

A checkpoint is written under another name, flushed, read back, and renamed; older ones are deleted only then. The
sha256 is that of what was to be written, so that a disk that gives back something else is found out. It costs the
writing, one reading, and hashing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from idiolect.disk import file_digest, flush_tree, write_durably
from idiolect.errors import ArtifactError

S = TypeVar("S")

STATE: Final = "state.json"
PIECE: Final = 16 << 20
"""Bytes of an array that are written or read at a time."""
_PARTIAL: Final = ".partial"


def save(folder: Path, step: int, state: Any, payload: str, write: Callable[[Path], str], *, keep: int) -> None:
    """Write a checkpoint, read it back, and then drop the oldest.

    Args:
        folder: the run's `checkpoints` folder, made where it is missing.
        step: where the run stands.
        state: a dataclass of what JSON can hold.
        payload: the name of the file beside it.
        write: given a path, writes that file, and returns the sha256 of what it meant to write.
        keep: how many checkpoints stay, this one among them.

    Raises:
        ArtifactError: the disk gave back something else than was written.

    Example:
        >>> save(folder, 12, State(12), "sums.bin", lambda path: write_arrays(path, [sums]), keep=1)
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{step:08d}"
    partial = final.with_suffix(_PARTIAL)
    for leftover in folder.glob(f"*{_PARTIAL}"):
        shutil.rmtree(leftover)
    partial.mkdir()
    digest = _digest(final.name, write(partial / payload), asdict(state))
    write_durably(partial / STATE, json.dumps({"sha256": digest, **asdict(state)}, indent=2))
    flush_tree(partial)
    read(partial, payload, type(state))
    if final.exists():
        shutil.rmtree(final)
    os.rename(partial, final)
    flush_tree(folder)
    for old in found(folder)[:-keep]:
        shutil.rmtree(old)


def read(checkpoint: Path, payload: str, state: type[S]) -> S:
    """The state in a checkpoint; with that its payload is known to be what was written.

    Raises:
        ArtifactError: something in it is not as it was written.
    """
    name = checkpoint.name.removesuffix(_PARTIAL)
    try:
        record = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        digest, known = record.pop("sha256"), state(**record)
        whole = digest == _digest(name, file_digest(checkpoint / payload), record)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise ArtifactError(
            f"The checkpoint {checkpoint.with_name(name)} is damaged: delete that folder, and the same command goes on "
            "from an earlier one, or begins again."
        )
    return known


def found(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest last."""
    return sorted(path for path in folder.glob("step-*") if path.suffix != _PARTIAL)


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, or None before the first."""
    return next(iter(found(folder)[-1:]), None)


def write_arrays(path: Path, arrays: Sequence[NDArray[Any]]) -> str:
    """Write arrays one behind the other as they lie in memory, without holding one twice; the sha256 of it all."""
    written = hashlib.sha256()
    with open(path, "wb") as file:
        for piece in _pieces(arrays):
            data = piece.tobytes()
            written.update(data)
            file.write(data)
    return written.hexdigest()


def read_arrays(path: Path, arrays: Sequence[NDArray[Any]]) -> None:
    """Fill arrays with what `write_arrays` wrote of their like.

    Raises:
        ArtifactError: the file is longer or shorter than they are.
    """
    if path.stat().st_size != sum(array.nbytes for array in arrays):
        raise ArtifactError(f"{path} is of another run: delete the folder that it is in, and the same command begins.")
    with open(path, "rb") as file:
        for piece in _pieces(arrays):
            piece[...] = np.fromfile(file, piece.dtype, piece.size).reshape(piece.shape)


def _pieces(arrays: Sequence[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """The arrays in stretches of rows of some megabytes."""
    for array in arrays:
        rows = max(PIECE // array[0].nbytes, 1)
        for start in range(0, len(array), rows):
            yield array[start : start + rows]


def _digest(name: str, payload: str, state: dict[str, Any]) -> str:
    return hashlib.sha256((name + payload + json.dumps(state)).encode()).hexdigest()
