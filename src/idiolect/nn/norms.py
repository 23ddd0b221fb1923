"""Normalisation: each position's vector to a fixed size, whatever the layers before it made of it.

A norm has one gain for each channel and costs a few passes over the hidden states; its statistics are in fp32 whatever
the precision around it.

Shapes: D channels; any dimensions before them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def rms_norm(hidden: Tensor, gains: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) · gain, over the last dimension; computed in fp32 or better, in the gains' precision.

    Args:
        hidden: (…, D).
        gains: (D,), or one for each of several heads, (N, D).
        eps: added to the mean square.
    """
    if hidden.device.type != "cpu":
        return F.rms_norm(hidden.to(gains.dtype), hidden.shape[-1:], None, eps) * gains
    exact = torch.promote_types(gains.dtype, torch.float32)
    normed: Tensor = _RMSNorm.apply(hidden.to(exact), gains.to(exact), eps)  # type: ignore[no-untyped-call]
    return normed.to(gains.dtype)


class _RMSNorm(torch.autograd.Function):
    """The same with its gradient written out: PyTorch's own on a CPU is a dozen passes where these are six.

    With n = x · r, r = 1 / sqrt(mean(x²) + eps) and g the gradient of n, that of x is r · (g − n · mean(g · n)).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, gains: Tensor, eps: float) -> Tensor:
        square = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True).square_()
        scale = square.div_(hidden.shape[-1]).add_(eps).rsqrt_()
        normed: Tensor = hidden * scale
        ctx.save_for_backward(normed, gains, scale)
        return normed * gains

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        normed, gains, scale = ctx.saved_tensors
        product = gradient * normed
        of_gains = product.sum_to_size(gains.shape)
        mean = product.mul_(gains).mean(dim=-1, keepdim=True)
        of_hidden = torch.mul(gradient, gains, out=product).addcmul_(normed, mean, value=-1).mul_(scale)
        return of_hidden, of_gains, None


class RMSNorm(nn.Module):
    """`rms_norm` with gains of its own (Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", eq. 4).

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
        return rms_norm(hidden, self.weight, self.eps)


class LayerNorm(nn.Module):
    """(x − mean) / sqrt(variance + eps) · gain + bias (Ba et al. 2016, "Layer Normalization", eq. 4).

    Before gain and bias the channels of a position have mean 0 and variance 1. Computed in fp32 or better.

    Example:
        >>> LayerNorm(2, eps=0.0)(torch.tensor([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(self, dim: int, eps: float, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None
        self.eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        """Same shape as `hidden` (…, D), in the gain's precision."""
        exact = torch.promote_types(self.weight.dtype, torch.float32)
        bias = None if self.bias is None else self.bias.to(exact)
        normed = F.layer_norm(hidden.to(exact), self.weight.shape, self.weight.to(exact), bias, self.eps)
        return normed.to(self.weight.dtype)
