"""Normalisation: each position's vector to a fixed size, whatever the layers before it made of it.

A norm has one gain for each channel and costs a few passes over the hidden states; its statistics are in fp32 whatever
the precision around it.

Shapes: D channels; any dimensions before them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · gain (Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", eq. 4).

    Unlike layer norm it does not take out the mean: a root mean square of 1 before the gain is all it promises.

    Example:
        >>> RMSNorm(2, eps=0.0)(torch.tensor([[3.0, 3.0]])).tolist()
        [[1.0, 1.0]]
    """

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        """Same shape as `hidden` (…, D), in the gain's precision: under autocast that turns bf16 back into fp32."""
        return F.rms_norm(hidden.to(self.weight.dtype), self.weight.shape, self.weight, self.eps)
