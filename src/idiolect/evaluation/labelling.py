"""How well a model gives labels: its loss, and the share of labels that are right.

Shapes: N labels asked for, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.models.heads import Headed
from idiolect.models.model import evaluating


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a measurement."""

    loss: float
    """Mean of −ln p(label), in nats."""
    accuracy: float
    """Share of the labels that the likeliest one was."""
    count: int
    """Labels that were asked for."""


@torch.no_grad()
def judge(model: Headed, batches: Iterable[Batch]) -> Judged:
    """Loss and accuracy over batches; NaN where nothing was asked for. The model comes back as it was.

    Example:
        >>> judge(classifier.model, rows.in_order(64)).accuracy
        0.86
    """
    nats, right, count = 0.0, 0, 0
    with evaluating(model):
        for batch in batches:
            logits_NL, labels_N = asked(model, batch), batch.targets_BT[batch.weights_BT != 0]
            nats += float(F.cross_entropy(logits_NL, labels_N, reduction="sum"))
            right += int((logits_NL.argmax(dim=-1) == labels_N).sum())
            count += len(labels_N)
    return Judged(nats / count, right / count, count) if count else Judged(float("nan"), float("nan"), 0)


def asked(model: Headed, batch: Batch) -> Tensor:
    """Logits (N, L) of the positions that have a label, row after row, in fp32 on the CPU."""
    batch_there = batch.to(next(model.parameters()).device)
    hidden_BTD = model.hidden(batch_there.ids_BT, batch_there.segments_BT, types_BT=batch_there.types_BT)
    return model.head(hidden_BTD[batch_there.weights_BT != 0][None])[0].float().cpu()
