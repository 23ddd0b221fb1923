"""`gather`: texts into one corpus on disk, cleaned of duplicates and mixed, so that later stages read it as one
folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from idiolect.artifact import Recipe
from idiolect.config import verb
from idiolect.journal import say
from idiolect.making import create, unchanged
from idiolect.stages.page import page
from idiolect.text.corpus import Corpus
from idiolect.text.gathering import write_documents
from idiolect.text.settings import ReadingSettings


@dataclass(frozen=True)
class GatherSettings(ReadingSettings):
    """Gathering."""


@verb
def gather(texts: Sequence[str], settings: GatherSettings, *, out: Path, force: bool = False) -> Corpus:
    """Collect texts (files, folders, patterns, or @pydocs) into one corpus.

    Example:
        >>> idiolect.gather(["letters/", "diary.jsonl.zst"], deduplicate=True, out="corpus")
    """
    corpus = settings.corpus(texts)
    recipe = Recipe("corpus", settings, {"corpus": corpus.provenance()})
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return Corpus([out])
    with create(out, recipe, force=force) as folder:
        counts = write_documents(corpus, folder)
        report = page(recipe, out, f"{counts['documents']:,} documents, {counts['bytes']:,} bytes of text")
        report.figures_of_merit(
            [
                ("documents", counts["documents"]),
                ("characters", counts["characters"]),
                ("bytes", counts["bytes"]),
                ("duplicates left out", corpus.duplicates),
                ("bytes replaced", corpus.replaced),
            ]
        )
        report.write(folder / "report.html")
    say(f"Gathered {counts['documents']:,} documents ({counts['bytes']:,} bytes) into {out}.")
    return Corpus([out])
