"""`fill`: what stood at the masks of a text, as an encoder sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.generate.filling import Filled
from idiolect.language_model import LanguageModel


@dataclass(frozen=True)
class FillSettings:
    """Filling."""

    k: int = 5
    """How many of the likeliest tokens to give for each mask."""


@verb
def fill(model: Path, text: str, settings: FillSettings) -> list[Filled]:
    """Fill in the masks of a text: the likeliest tokens for each, with their probabilities.

    Example:
        >>> idiolect.fill("model", "the movie was [MASK].", k=3)
        [[(' great', 0.21), (' good', 0.17), (' bad', 0.09)]]
    """
    set_up()
    masks = LanguageModel.load(model).fill(text, k=settings.k)
    console = Console(highlight=False)
    for number, filled in enumerate(masks):
        if len(masks) > 1:
            console.print(f"{'' if number == 0 else chr(10)}mask {number + 1}")
        table = Table("probability", "token", box=None, pad_edge=False)
        for token, probability in filled:
            table.add_row(f"{probability:.4f}", Text(token.strip() or repr(token)))
        console.print(table)
    return masks
