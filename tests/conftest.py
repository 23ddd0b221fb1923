"""What every test may use: where real text lies, and one thread so that runs are alike."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real texts: `$IDIOLECT_DATA`, or `../shared/data` beside the checkout."""
    named = os.environ.get("IDIOLECT_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real text is not here: set IDIOLECT_DATA to its folder")
    return folder
