"""What a family learns from tokens, ready for the loop: the model, its rows, its objective, its evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from idiolect.compute import Compute, Precision
from idiolect.data.batch import Batch
from idiolect.embeddings.starting import Start
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
    start: Start | None = None
    """What the embeddings start from, where it is not by chance alone."""


def mean_loss(
    model: Model,
    batches: Iterable[Batch],
    objective: Objective,
    compute: Compute,
    precision: Precision,
) -> float:
    """The mean loss over held-out rows, in nats for each weighted token."""
    nats, weight = 0.0, 0.0
    model.eval()
    with torch.inference_mode(), compute.autocast(precision):
        for batch in batches:
            nats += float(objective(model, batch.to(compute.device)))
            weight += batch.weight
    return nats / weight if weight else float("nan")
