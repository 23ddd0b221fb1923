"""From what a person names to the files that are meant: a file, a folder, a pattern, or the built-in corpus.

A folder is walked whole: files in a fixed order, hidden ones left out, and only those whose ending says that they are
text. A file that is named, or met by a pattern, is taken whatever its ending. A folder that this package wrote as a
corpus gives its shards.
"""

from __future__ import annotations

import difflib
import glob
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from idiolect.errors import CorpusError
from idiolect.text.readers import ending

PYDOCS = "@pydocs"
"""The word for the built-in corpus."""

SHARDS = "documents-*.jsonl.zst"
"""The files of a corpus that this package wrote."""

ROWS = (".jsonl", ".ndjson", ".parquet")
PROSE = (".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex")
CODE = (
    *(".py", ".pyi", ".c", ".h", ".cc", ".hh", ".cpp", ".hpp", ".cu", ".rs", ".go", ".java", ".kt", ".scala", ".swift"),
    *(".js", ".jsx", ".ts", ".tsx", ".rb", ".php", ".pl", ".lua", ".r", ".jl", ".hs", ".ml", ".ex", ".erl", ".clj"),
    *(".sh", ".sql", ".m", ".f90", ".cmake"),
)
ENDINGS = frozenset((*ROWS, *PROSE, *CODE))
"""What is read in a folder, each also packed as .gz or .zst."""


@dataclass(frozen=True, slots=True)
class Source:
    """One named source of a corpus, resolved."""

    name: str
    kind: Literal["files", "shards", "pydocs", "texts"]
    files: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()


def resolve(source: str | Path) -> Source:
    """Find what a name means: `letters.txt`, `letters/`, `letters/**/*.md`, `@pydocs`.

    Raises:
        CorpusError: there is no such thing, or nothing in it can be read.
    """
    name = str(source)
    path = Path(source)
    try:
        if not name:
            raise CorpusError("A text's name is empty: give a file, a folder or a pattern.")
        if name == PYDOCS:
            return Source(name, "pydocs")
        if path.is_dir():
            return _resolve_folder(name, path)
        if path.is_file():
            return Source(name, "files", (path,))
        if path.exists():
            raise CorpusError(f"{name} is neither a file nor a folder: save the text to a file first.")
        if glob.has_magic(name):
            return _resolve_pattern(name)
    except OSError as error:
        raise CorpusError(f"{name} cannot be read: {error.strerror or error}.") from None
    raise CorpusError(f"{name} does not exist{_nearest(path)}")


def _resolve_folder(name: str, folder: Path) -> Source:
    match _artifact_kind(folder):
        case "corpus":
            shards = tuple(sorted(folder.glob(SHARDS)))
            if not shards:
                raise CorpusError(f"{name} is a corpus without its {SHARDS} files: gather it again.")
            return Source(name, "shards", shards)
        case "tokenizer" | "tokens" | "model" | "report" as kind:
            raise CorpusError(f"{name} is a {kind} folder, not a corpus: name the text it was made from.")
    files = tuple(sorted((f for f in _walk(folder) if ending(f) in ENDINGS), key=lambda file: file.parts))
    if not files:
        raise CorpusError(
            f"{name} has no file whose ending says text (.txt, .md, .jsonl, .parquet, ...): "
            'name the files, or a pattern such as "folder/*.log".'
        )
    return Source(name, "files", files)


def _artifact_kind(folder: Path) -> object:
    """The kind that a manifest of ours gives, or None for any other folder."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder that are not hidden. A folder that cannot be listed is an error, not a gap."""

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def _resolve_pattern(pattern: str) -> Source:
    files = tuple(sorted(path for path in map(Path, glob.glob(pattern, recursive=True)) if path.is_file()))
    if not files:
        raise CorpusError(
            f"{pattern} matches no file: check the pattern, and quote it so that the shell leaves it alone."
        )
    return Source(pattern, "files", files)


def _nearest(path: Path) -> str:
    """A suggestion for a name that does not exist, from what lies beside it."""
    beside = [PYDOCS]
    if path.parent.is_dir():
        beside += sorted(str(path.parent / entry) for entry in os.listdir(path.parent))
    close = difflib.get_close_matches(str(path), beside, n=1)
    return f"; did you mean {close[0]}?" if close else ": check the name."
