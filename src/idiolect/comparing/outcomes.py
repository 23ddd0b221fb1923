"""What came of each variant: its figures, the mean over its seeds, and the curve it took.

Tokens and seconds are those of training alone; evaluations read and take more.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from idiolect.comparing.settings import Budget
from idiolect.comparing.variants import Variant
from idiolect.disk import write_durably
from idiolect.errors import ArtifactError
from idiolect.journal import read_metrics
from idiolect.models.build import count_inner_parameters, count_parameters
from idiolect.pretraining.run import Trained

RESULT = "comparison.json"


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a variant, read from its folder."""

    seed: int
    trained: Trained
    lines: list[dict[str, Any]]
    """Of its journal."""
    tokens: list[int]
    """Read until each line."""
    seconds: list[float]
    """Spent on updates until each line."""

    @classmethod
    def read(cls, folder: Path, variant: Variant, seed: int) -> Self:
        """A training that has ended."""
        lines, in_a_step = read_metrics(folder), variant.settings.batch * variant.settings.context
        tokens, seconds, spent, before = [], [], 0.0, 0
        for line in lines:
            fresh = (line["step"] - before) * in_a_step
            spent += fresh / line["tokens_per_second"]
            before = line["step"]
            tokens.append(line["step"] * in_a_step)
            seconds.append(spent)
        return cls(seed, Trained.load(folder), lines, tokens, seconds)

    @property
    def evaluated(self) -> list[int]:
        """The lines on which the validation loss stands."""
        return [place for place, line in enumerate(self.lines) if line["val_loss"] is not None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a variant; where it has several seeds, figures are means over them."""

    name: str
    family: str
    question: str
    """What its loss is of: only losses of one question can be compared."""
    parameters: int
    inner_parameters: int
    """Those between the embeddings and the head."""
    steps: int
    tokens: int
    seconds: float
    memory_bytes: int | None
    """The most that any seed needed, weights included; None where the system does not tell it of one training alone."""
    val_loss: float
    bits_per_byte: float | None
    """Of the validation text; None for an encoder, which gives no text a probability."""
    perplexity: float
    """Per token predicted: of the validation text, or an encoder's of hidden tokens and labels."""
    seeds: int
    val_loss_spread: float
    """Standard deviation over the seeds; 0 where there is one."""
    bits_per_byte_spread: float

    @property
    def tokens_per_second(self) -> float:
        """In training."""
        return self.tokens / self.seconds

    @classmethod
    def of(cls, variant: Variant, trainings: Sequence[Training]) -> Self:
        """The outcome of a variant, from its trainings."""
        losses = [training.trained.run.val_loss for training in trainings]
        scores = [training.trained.score for training in trainings]
        needed = [t.trained.memory_bytes for t in trainings if t.trained.memory_bytes is not None]
        bits = [score.bits_per_byte for score in scores if score is not None]
        perplexities = [score.perplexity for score in scores if score is not None] or [
            math.exp(loss) for loss in losses
        ]
        return cls(
            name=variant.name,
            family=variant.settings.model,
            question=variant.question,
            parameters=count_parameters(variant.spec),
            inner_parameters=count_inner_parameters(variant.spec),
            steps=trainings[0].trained.run.steps,
            tokens=trainings[0].tokens[-1],
            seconds=statistics.fmean(training.seconds[-1] for training in trainings),
            memory_bytes=max(needed) if needed else None,
            val_loss=statistics.fmean(losses),
            bits_per_byte=statistics.fmean(bits) if bits else None,
            perplexity=statistics.fmean(perplexities),
            seeds=len(trainings),
            val_loss_spread=_spread(losses),
            bits_per_byte_spread=_spread(bits),
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """A whole comparison; what `idiolect.compare` returns.

    Example:
        >>> compared = idiolect.compare("tokens", models="lstm,decoder", steps=500, out="comparison")
        >>> {outcome.name: outcome.bits_per_byte for outcome in compared.outcomes}
        {'lstm': 2.41, 'decoder': 2.33}
    """

    budget: Budget
    outcomes: tuple[Outcome, ...]
    yardsticks: tuple[tuple[str, float], ...]
    """Name and bits per byte of each; none where they were not wanted."""

    def groups(self) -> list[list[Outcome]]:
        """The outcomes whose losses can be compared, those that predict the next token first."""
        questions = sorted(dict.fromkeys(outcome.question for outcome in self.outcomes), key="next token".__ne__)
        return [[outcome for outcome in self.outcomes if outcome.question == question] for question in questions]

    def save(self, folder: Path) -> None:
        """Keep the figures in the folder of the comparison."""
        write_durably(folder / RESULT, json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` kept. Raises ArtifactError where it is not there."""
        try:
            record = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        except OSError as error:
            raise ArtifactError(f"{folder / RESULT} cannot be read ({error.strerror}): give --force.") from None
        outcomes = tuple(Outcome(**outcome) for outcome in record["outcomes"])
        return cls(record["budget"], outcomes, tuple((name, bits) for name, bits in record["yardsticks"]))


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
