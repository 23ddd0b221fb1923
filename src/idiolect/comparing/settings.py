"""What is compared: families and switches, at which budget, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from idiolect.errors import UsageError
from idiolect.pretraining.settings import PretrainSettings

Budget = Literal["tokens", "parameters", "time"]

POINTS = 20
"""Evaluations in the course of a training, where nothing else is asked for: points of its curve."""


@dataclass(frozen=True)
class CompareSettings(PretrainSettings):
    """Comparison."""

    models: tuple[str, ...] = ()
    """Families, such as rnn,lstm,gru,decoder; each may be changed by itself, as decoder+shape=gpt2. Unset: the one that
    --model names."""
    variants: tuple[str, ...] = ()
    """Changes of each family, to stand beside it as it is: settings with their values, such as positions=alibi,
    norm=layer or shape=gpt2; those joined by + are changed together."""
    budget: Budget = "tokens"
    """What is equal: the tokens read; these and the parameters, by other widths than --dim; or the time of training,
    by as many steps as fit."""
    seeds: int = 1
    """Trainings of each variant, from --seed on; the page has their means and spreads."""
    evaluate_every: int = 0
    """Steps of the first variant between evaluations; the others have as many. 0: twenty in all."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        super().__post_init__()
        if self.seeds < 1:
            raise UsageError(f"seeds must be at least 1, not {self.seeds}.")

    @property
    def points(self) -> int:
        """How often each variant is evaluated."""
        return max(1, self.steps // self.evaluate_every) if self.evaluate_every else min(POINTS, self.steps)
