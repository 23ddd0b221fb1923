"""`encode`: text into tokens on disk, a stream for each split, with the tokenizer beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from idiolect.artifact import Artifact, Recipe
from idiolect.config import verb
from idiolect.data.tokens import Tokens, write_splits
from idiolect.engine import Engine
from idiolect.journal import say
from idiolect.making import create, unchanged
from idiolect.stages.page import close_page, page
from idiolect.text.settings import ReadingSettings
from idiolect.text.splitting import SPLITS
from idiolect.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class EncodeSettings(ReadingSettings):
    """Encoding."""

    tokenizer: Path = Path("tok")
    """Folder of the tokenizer."""
    engine: Engine = "threads"
    """Where text is encoded: threads of this process, or a Ray cluster (RAY_ADDRESS; without it, this machine)."""


@verb
def encode(texts: Sequence[str], settings: EncodeSettings, *, out: Path, force: bool = False) -> Tokens:
    """Turn text into tokens on disk.

    Example:
        >>> tokens = idiolect.encode(["letters/"], tokenizer="tok", out="tokens")
        >>> len(tokens.split("train"))
    """
    tokenizer = Tokenizer.load(settings.tokenizer)
    made = Artifact.open(settings.tokenizer, "tokenizer")
    corpus = settings.corpus(texts)
    recipe = Recipe("tokens", settings, {"corpus": corpus.provenance(), "tokenizer": made.provenance()})
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return Tokens.load(out)
    with create(out, recipe, force=force) as folder:
        tokenizer.save(folder)
        write_splits(corpus.assigned(), tokenizer, folder, SPLITS, settings.engine)
        tokens = Tokens.load(folder)
        total = sum(len(stream) for stream in tokens.splits.values())
        report = page(recipe, out, f"{total:,} tokens of {tokenizer.vocab_size:,} kinds")
        report.figures_of_merit([(f"{name} tokens", len(stream)) for name, stream in tokens.splits.items()])
        rows = [
            [name, len(stream.starts), stream.text_bytes, len(stream), stream.text_bytes / max(1, len(stream))]
            for name, stream in tokens.splits.items()
        ]
        report.section("Splits")
        report.table(["split", "documents", "bytes", "tokens", "bytes per token"], rows)
        close_page(report, recipe, out).write(folder / "report.html")
    say(f"Encoded {total:,} tokens into {out}.")
    return Tokens.load(out)
