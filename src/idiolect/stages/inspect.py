"""`inspect`: how a tokenizer cuts a text, in colours, with ids and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idiolect.config import verb
from idiolect.errors import UsageError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.inspect import Tokens, look, replay_merges, visible


@dataclass(frozen=True)
class InspectSettings:
    """Inspection."""

    pattern: str | None = None
    """How text is cut, where the files of the tokenizer do not say: gpt2, cl100k, o200k and so on."""
    nbest: int = 0
    """How many of the best segmentations to show with their scores, for a unigram tokenizer."""
    merges: bool = False
    """Replay the merges one by one, for a BPE tokenizer."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        if not 0 <= self.nbest <= 1000:
            raise UsageError(f"nbest must be from 0 to 1000, not {self.nbest}.")


@verb
def inspect(tokenizer: Path, text: str, settings: InspectSettings) -> Tokens:
    """Show how a tokenizer cuts a text: coloured, then each token with its id and bytes.

    Example:
        >>> idiolect.inspect("tok", "To be, or not to be").ids
    """
    cutter = Tokenizer.load(tokenizer, settings.pattern)
    tokens = look(cutter, text)
    console = Console(highlight=False)
    console.print(tokens, soft_wrap=True)
    console.print()
    table = Table("token", "id", "bytes", box=None, pad_edge=False)
    for piece, token_id in zip(tokens.pieces, tokens.ids):
        table.add_row(Text(visible(piece)), str(token_id), piece.hex(" "))
    console.print(table)
    console.print(f"\n{len(tokens.ids):,} tokens, {len(text):,} characters, {len(text.encode()):,} bytes")
    if cutter.frame != Frame():
        console.print(f"around a text: {cutter.frame}", markup=False, soft_wrap=True)
    if settings.merges:
        console.print()
        for step in replay_merges(cutter, text):
            console.print(str(step), markup=False, soft_wrap=True)
    if settings.nbest:
        console.print()
        best = Table("log-probability", "segmentation", box=None, pad_edge=False)
        for ids, score in cutter.nbest(text, settings.nbest):
            best.add_row(f"{score:.4f}", Text(" | ".join(visible(cutter.token_bytes(i)) for i in ids)))
        console.print(best)
    return tokens
