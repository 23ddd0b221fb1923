"""What a family learns from tokens, ready for the loop: the model, its rows, its objective, its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from idiolect.compute import Compute, Precision
from idiolect.data.batch import Batch
from idiolect.language_model import LanguageModel
from idiolect.models.model import Model
from idiolect.train.loop import Evaluate, Rows
from idiolect.train.parallel import Objective


@dataclass(frozen=True, slots=True)
class Task:
    """All that `fit` needs of a family."""

    speaker: LanguageModel
    rows: Rows
    objective: Objective
    evaluate: Evaluate
    prompt: str
    """What the samples of the evaluations begin with."""


def mean_loss(
    model: Model,
    batches: Iterable[Batch],
    objective: Objective,
    compute: Compute,
    precision: Precision,
    look: Callable[[Batch], None] = lambda batch: None,
) -> float:
    """The mean loss over held-out rows, in nats for each weighted token; `look` sees each batch on its device."""
    nats, weight = 0.0, 0.0
    model.eval()
    with torch.inference_mode(), compute.autocast(precision):
        for batch in batches:
            held_out = batch.to(compute.device)
            nats += float(objective(model, held_out))
            weight += batch.weight
            look(held_out)
    return nats / weight if weight else float("nan")
