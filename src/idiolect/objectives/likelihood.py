"""Maximum likelihood: Σ −w log p(target), the objective of every model that predicts tokens.

Next tokens, masked tokens, an answer after its prompt: they differ only in targets and weights, which the batch
carries.

Shapes: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.models.model import Model


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The sum of a batch's weighted losses, in nats. The caller divides by the number of weighted tokens of the
    whole step, over all micro-batches and ranks, so that a batch gives one gradient however it is cut (transformers
    issue 34191).

    Example:
        >>> loss = Likelihood()(model, batch) / batch.weight
    """

    def __call__(self, model: Model, batch: Batch) -> Tensor:
        """A scalar: Σ −w log softmax(logits)[target]; the softmax is in fp32 whatever the logits' type."""
        logits_BTV = model.head(model.hidden(batch.ids_BT, batch.segments_BT))
        losses_N = F.cross_entropy(logits_BTV.float().flatten(0, 1), batch.targets_BT.flatten(), reduction="none")
        return (losses_N * batch.weights_BT.flatten()).sum()  # not a product: autocast would round that to bf16
