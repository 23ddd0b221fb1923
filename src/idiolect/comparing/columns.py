"""The figures of a comparison as columns of a table, on page and terminal: how each is shown, and which is best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from idiolect.comparing.outcomes import Outcome
from idiolect.journal import amount
from idiolect.report import number


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of each outcome."""

    name: str
    figure: Callable[[Outcome], float | None]
    """None: this one has no such figure."""
    shown: Callable[[Outcome], str]
    """For people; only asked of those that have one."""
    best: Literal["lowest", "highest", "none"] = "none"
    """Which one is marked."""

    def cells(self, outcomes: Sequence[Outcome]) -> list[str]:
        """What stands in the column; a dash where there is nothing."""
        return ["–" if self.figure(outcome) is None else self.shown(outcome) for outcome in outcomes]

    def marked(self, outcomes: Sequence[Outcome]) -> set[int]:
        """The places of the best; none where fewer than two have the figure, or all the same."""
        figures = [self.figure(outcome) for outcome in outcomes]
        known = [value for value in figures if value is not None and math.isfinite(value)]
        if self.best == "none" or len(known) < 2 or min(known) == max(known):
            return set()
        best = min(known) if self.best == "lowest" else max(known)
        return {place for place, value in enumerate(figures) if value == best}


def _with_spread(value: float | None, spread: float) -> str:
    return f"{value:.4f} ± {spread:.4f}" if spread else f"{value:.4f}"


PARAMETERS = Column("parameters", lambda o: o.parameters, lambda o: number(o.parameters))
INNER = Column("without embeddings", lambda o: o.inner_parameters, lambda o: number(o.inner_parameters))
STEPS = Column("steps", lambda o: o.steps, lambda o: number(o.steps))
TOKENS = Column("tokens", lambda o: o.tokens, lambda o: number(o.tokens))
TIME = Column("time", lambda o: o.seconds, lambda o: f"{o.seconds:.1f} s" if o.seconds < 10 else f"{o.seconds:,.0f} s")
SPEED = Column("tokens/s", lambda o: o.tokens_per_second, lambda o: number(round(o.tokens_per_second)), "highest")
MEMORY = Column("memory", lambda o: o.memory_bytes, lambda o: amount(o.memory_bytes or 0), "lowest")
LOSS = Column("validation loss", lambda o: o.val_loss, lambda o: _with_spread(o.val_loss, o.val_loss_spread), "lowest")
BITS = Column(
    "bits per byte",
    lambda o: o.bits_per_byte,
    lambda o: _with_spread(o.bits_per_byte, o.bits_per_byte_spread),
    "lowest",
)
PERPLEXITY = Column("perplexity", lambda o: o.perplexity, lambda o: f"{o.perplexity:.2f}", "lowest")

LEARNT = (LOSS, BITS, PERPLEXITY)
"""How well a variant predicts: to be compared within one question only."""
COST = (PARAMETERS, INNER, STEPS, TOKENS, TIME, SPEED, MEMORY)
"""What it needed."""


def known(columns: Sequence[Column], outcomes: Sequence[Outcome]) -> list[Column]:
    """The columns of which anything is known."""
    return [column for column in columns if any(column.figure(outcome) is not None for outcome in outcomes)]
