"""Maximum likelihood by truncated back-propagation through time: each row goes on from the state that its lane's row
in the step before left behind, but no gradient goes back there (Williams & Peng 1990; Mikolov et al. 2010).

A recurrent network so learns to use what it remembers of a text of any length, at the cost of short rows. Memory: the
state of all lanes, lanes · layers · parts · dim numbers.

Shapes: B rows, L layers, S tensors of a state, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.models.model import Model
from idiolect.nn.cache import RecurrentState
from idiolect.objectives.likelihood import Likelihood


class CarriedLikelihood:
    """The sum of a batch's weighted losses, in nats, as `Likelihood`; it keeps the state of every lane.

    Args:
        lanes: how many there are: the rows of a step.

    Example:
        >>> rows = TrainingLanes(stream, context=64, lanes=plan.batch, seed=0)
        >>> fit(model, rows, CarriedLikelihood(plan.batch), plan, ...)
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._states: Tensor | None = None  # (lanes, L, S, D); those that other processes have are as they were

    def __call__(self, model: Model, batch: Batch) -> Tensor:
        """A scalar: Σ −w log softmax(logits)[target]. A state that is no longer finite starts from zero again."""
        assert batch.lanes_B is not None, "rows that are not in lanes have nothing to go on from"
        cache = model.new_cache(len(batch.ids_BT), 0)
        assert isinstance(cache, RecurrentState), "only a recurrent network's state goes on for ever"
        zero_BLSD = cache.tensor()
        if self._states is None:
            self._states = zero_BLSD.new_zeros(self._lanes, *zero_BLSD.shape[1:])
        self._states = self._states.to(zero_BLSD.device)
        cache.fill(self._states[batch.lanes_B])
        summed = Likelihood().of_hidden(model, model.hidden(batch.ids_BT, batch.segments_BT, cache), batch)
        left_BLSD = cache.tensor()
        finite_B111 = torch.isfinite(left_BLSD).all(dim=(1, 2, 3), keepdim=True)
        self._states[batch.lanes_B] = torch.where(finite_B111, left_BLSD, zero_BLSD)
        return summed

    def tensors(self) -> dict[str, Tensor]:
        """The state of each lane, under "states"; nothing before the first batch."""
        return {} if self._states is None else {"states": self._states}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors` gave; from an empty mapping, every lane starts from zero."""
        self._states = tensors["states"].clone() if tensors else None
