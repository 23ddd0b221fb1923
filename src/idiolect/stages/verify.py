"""`verify`: an artifact and its parents, hashed again and compared with what was written."""

from __future__ import annotations

from pathlib import Path

from idiolect.artifact import Artifact
from idiolect.config import verb


@verb
def verify(path: Path) -> None:
    """Hash an artifact and its parents again, and name the first file that differs.

    Example:
        >>> idiolect.verify("model")
    """
    for line in Artifact.open(path).verify():
        print(line)
