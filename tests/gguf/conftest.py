"""Tiny decoders that know one text by heart, each with a tokenizer, so that what comes next is never a near thing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
