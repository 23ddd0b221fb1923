"""The one shape in which data reaches a model.

Shapes: B rows, T positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of tokens with what is to be predicted at each position and how much it counts.

    Padding, an instruction's prompt, unmasked positions of a masked model: all are weight zero, so one likelihood
    serves every objective.
    """

    ids_BT: Tensor
    """int64: the tokens the model reads."""
    targets_BT: Tensor
    """int64: the token to predict at each position (for a decoder, the next one)."""
    weights_BT: Tensor
    """float32: how much each position's loss counts; 0 where there is nothing to predict."""
    segments_BT: Tensor | None = None
    """int64, non-decreasing along a row: which document a position belongs to; attention never crosses from one to
    another. None: each row is one stretch of text, and attention sees all of it."""

    @property
    def weight(self) -> float:
        """The weighted number of positions: what the loss is divided by."""
        return float(self.weights_BT.sum(dtype=torch.float64))

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        segments = None if self.segments_BT is None else self.segments_BT.to(device, non_blocking=True)
        tensors = (self.ids_BT, self.targets_BT, self.weights_BT)
        ids, targets, weights = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return Batch(ids, targets, weights, segments)

    def rows(self, start: int, stop: int) -> Batch:
        """The rows from `start` to `stop`: a micro-batch, or a rank's share."""
        segments = None if self.segments_BT is None else self.segments_BT[start:stop]
        return Batch(self.ids_BT[start:stop], self.targets_BT[start:stop], self.weights_BT[start:stop], segments)
