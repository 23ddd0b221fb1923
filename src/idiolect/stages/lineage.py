"""`lineage`: what an artifact was made from, down to the text."""

from __future__ import annotations

from pathlib import Path

from idiolect.artifact import Artifact
from idiolect.config import verb


@verb
def lineage(path: Path) -> list[str]:
    """Print what an artifact was made from.

    Example:
        >>> idiolect.lineage("model")
    """
    lines = Artifact.open(path).lineage()
    print("\n".join(lines))
    return lines
