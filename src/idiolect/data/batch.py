"""The one shape in which data reaches a model.

Shapes: B rows, T positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
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
    types_BT: Tensor | None = None
    """int64: which text of a pair a position belongs to, for encoders that tell them apart. None: one text a row."""
    labels_B: Tensor | None = None
    """int64: what is to be said of each row as a whole (of a pair: 0 where the second text follows the first)."""
    label_weights_B: Tensor | None = None
    """float32: how much each row's label counts."""
    lanes_B: Tensor | None = None
    """int64: the lane of each row, where a row goes on at the place where its lane's row in the step before stopped
    (data/lanes.py). Segment 0 is then what goes on; the documents that begin in the row are 1, 2, …"""

    @property
    def weight(self) -> float:
        """The weighted number of positions and labels: what the loss is divided by."""
        weight = self.weights_BT.sum(dtype=torch.float64)
        if self.label_weights_B is not None:
            weight = weight + self.label_weights_B.sum(dtype=torch.float64)
        return float(weight)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def rows(self, start: int, stop: int) -> Batch:
        """The rows from `start` to `stop`: a micro-batch, or a rank's share."""
        return self._each(lambda tensor: tensor[start:stop])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(tensor) for name, tensor in tensors.items() if tensor is not None})


def filled(rows: Sequence[Sequence[int] | npt.NDArray[np.generic]], filler: int) -> Tensor:
    """Rows of unequal length as one tensor (B, T) of int64.

    Example:
        >>> filled([[1, 2], [3]], 0).tolist()
        [[1, 2], [3, 0]]
    """
    tensor = torch.full((len(rows), max(map(len, rows))), filler)
    for row, values in zip(tensor, rows):
        row[: len(values)] = torch.as_tensor(np.asarray(values, np.int64))
    return tensor
