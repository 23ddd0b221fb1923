"""Maximum likelihood: Σ −w log p(target), the objective of every model that predicts tokens or labels.

Next tokens, masked tokens, an answer after its prompt, the class of a text at its first or last position: they differ
only in targets and weights, which the batch carries, and in the model's head.

Shapes: B rows, T positions, N positions that count, V vocabulary or labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.models.model import Model
from idiolect.models.transformer import Transformer


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The sum of a batch's weighted losses, in nats. The caller divides by the number of weighted tokens of the
    whole step, over all micro-batches and ranks, so that a batch gives one gradient however it is cut (transformers
    issue 34191).

    Example:
        >>> loss = Likelihood()(model, batch) / batch.weight
    """

    few: bool = False
    """Most positions count nothing (masked tokens, labels): the head is computed for the others only."""

    def __call__(self, model: Model, batch: Batch) -> Tensor:
        """A scalar: Σ −w log softmax(logits)[target]; the softmax is in fp32 whatever the logits' type."""
        hidden_BTD = model.hidden(batch.ids_BT, batch.segments_BT, types_BT=batch.types_BT)
        return self.of_hidden(model, hidden_BTD, batch)

    def of_hidden(self, model: Model, hidden_BTD: Tensor, batch: Batch) -> Tensor:
        """The same, of hidden states that are there already."""
        hidden, targets, weights = hidden_BTD, batch.targets_BT, batch.weights_BT
        if self.few:
            counts_BT = weights != 0
            hidden, targets, weights = hidden[counts_BT][None], targets[counts_BT], weights[counts_BT]
        logits_NV = model.head(hidden).float().flatten(0, 1)
        losses_N = F.cross_entropy(logits_NV, targets.flatten(), reduction="none")
        return (losses_N * weights.flatten()).sum()  # not a product: autocast would round that to bf16


@dataclass(frozen=True, slots=True)
class MaskedLikelihood:
    """Masked tokens, and of pairs whether the second text follows the first (Devlin et al. 2019, section 3.1).

    Both are weighted likelihoods of one batch, and their sum is one: Σ −w log p(token) + Σ −w log p(label).
    """

    def __call__(self, model: Model, batch: Batch) -> Tensor:
        """A scalar in nats; `model` is an encoder with the heads that the batch needs."""
        assert isinstance(model, Transformer), "masked tokens are an encoder's"
        return self.of_hidden(model, model.hidden(batch.ids_BT, batch.segments_BT, types_BT=batch.types_BT), batch)

    def of_hidden(self, model: Transformer, hidden_BTD: Tensor, batch: Batch) -> Tensor:
        """The same, of hidden states that are there already."""
        nats = Likelihood(few=True).of_hidden(model, hidden_BTD, batch)
        if batch.labels_B is None or batch.label_weights_B is None:
            return nats
        losses_B = F.cross_entropy(model.pair_logits(hidden_BTD).float(), batch.labels_B, reduction="none")
        return nats + torch.sum(losses_B * batch.label_weights_B)
