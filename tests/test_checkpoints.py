"""What a run keeps to go on: arrays in pieces, and a disk that gives back what was not written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from idiolect import checkpoints
from idiolect.errors import ArtifactError


@dataclass
class State:
    """A state."""

    step: int = 0


def arrays() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(7, 3)), random.integers(0, 9, 5), random.normal(size=(2, 4)).astype(np.float32)]


@pytest.mark.parametrize("piece", [1, 50, 1 << 20])
def test_arrays_come_back_in_whatever_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(checkpoints, "PIECE", piece)
    digest = checkpoints.write_arrays(tmp_path / "a", arrays())
    assert digest == hashlib.sha256(b"".join(one.tobytes() for one in arrays())).hexdigest()
    read = [np.zeros_like(one) for one in arrays()]
    checkpoints.read_arrays(tmp_path / "a", read)
    for one, other in zip(read, arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ArtifactError, match="is of another run"):
        checkpoints.read_arrays(tmp_path / "a", read[:2])


def test_what_the_disk_changes_is_found_before_anything_goes(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, State(1), "sums", partial(checkpoints.write_arrays, arrays=arrays()), keep=1)

    def lying(path: Path) -> str:
        digest = checkpoints.write_arrays(path, arrays())
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        return digest

    with pytest.raises(ArtifactError, match="step-00000002 is damaged"):
        checkpoints.save(tmp_path, 2, State(2), "sums", lying, keep=1)
    newest = checkpoints.newest_checkpoint(tmp_path)
    assert newest == tmp_path / "step-00000001" and checkpoints.read(newest, "sums", State) == State(1)
    checkpoints.save(tmp_path, 3, State(3), "sums", partial(checkpoints.write_arrays, arrays=arrays()), keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
