"""Dropout: in training, each number is set to zero by chance, so that none is relied upon (Srivastava et al. 2014).

On a CPU, PyTorch draws a random number for each element, which takes a tenth of a step in bf16. Four elements share one
here, with 16 of its 64 bits each: a quarter of the time (docs/log.md). A share is rounded to a multiple of 1/65536.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_CHANCES = 2**16


def dropout(hidden: Tensor, share: float, training: bool) -> Tensor:
    """Each number is 0 with probability `share`, and otherwise divided by the share that is kept: the mean stays.

    Args:
        hidden: of any shape.
        share: from 0 to below 1.
        training: False: nothing is dropped.

    Example:
        >>> dropout(torch.ones(2, 3), 0.5, training=True)  # for instance
        tensor([[2., 0., 2.], [2., 2., 0.]])
    """
    if not training or not share:
        return hidden
    if hidden.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(hidden, share)
    dropped = min(round(share * _CHANCES), _CHANCES - 1)
    count = hidden.numel()
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    keeps = draws.view(torch.int16)[:count].view(hidden.shape) >= dropped - _CHANCES // 2
    return hidden * keeps.to(hidden.dtype).mul_(_CHANCES / (_CHANCES - dropped))
