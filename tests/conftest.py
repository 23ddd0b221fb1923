"""What every test may use: where real text lies, and one thread so that runs are alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch is loaded: several test processes share the cores, and threads that wait for each other by spinning then
# take them from those they wait for. Two processes of two threads on two cores were 300 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """What a command sets up for its whole process does not outlive its test."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real texts: `$IDIOLECT_DATA`, or `../shared/data` beside the checkout."""
    named = os.environ.get("IDIOLECT_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real text is not here: set IDIOLECT_DATA to its folder")
    return folder
