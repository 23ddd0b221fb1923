"""Lets the tests of training import `tiny_run`, which also runs as a script under `torchrun`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
