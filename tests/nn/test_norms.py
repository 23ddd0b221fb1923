"""RMSNorm: its formula, its gradient written out, and fp32 statistics whatever comes in."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from idiolect.nn.norms import RMSNorm, rms_norm
from idiolect.nn.reference import normalise


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_equals_the_formula(dtype: torch.dtype, tolerance: float) -> None:
    norm = RMSNorm(6, eps=1e-3).to(dtype)
    norm.weight.data.copy_(torch.linspace(-1, 2, 6))
    hidden = torch.randn(3, 2, 6, dtype=dtype, generator=torch.Generator().manual_seed(0))
    by_hand = torch.stack([normalise(vector, norm) for vector in hidden.flatten(0, 1)]).view(3, 2, 6)
    torch.testing.assert_close(norm(hidden), by_hand, atol=tolerance, rtol=tolerance)


def test_the_root_mean_square_is_one_and_the_mean_is_kept() -> None:
    hidden = 5.0 + torch.randn(7, 64, generator=torch.Generator().manual_seed(0))
    normed = RMSNorm(64, eps=0.0)(hidden)
    torch.testing.assert_close(normed.square().mean(-1), torch.ones(7))
    assert normed.mean(-1).min() > 0.5


def test_bf16_becomes_fp32_before_its_statistics() -> None:
    hidden = torch.randn(4, 256, generator=torch.Generator().manual_seed(0)).bfloat16()
    norm = RMSNorm(256, eps=1e-6)
    normed = norm(hidden)
    assert normed.dtype == torch.float32
    assert torch.equal(normed, norm(hidden.float()))


@pytest.mark.parametrize("heads", [(), (4,)])
def test_its_gradient_is_that_of_finite_differences_and_of_pytorch(heads: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 3, *heads, 5, dtype=torch.float64, generator=draw, requires_grad=True)
    gains = torch.randn(*heads, 5, dtype=torch.float64, generator=draw, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: rms_norm(x, w, 1e-3), (hidden, gains))
    weights = torch.randn(2, 3, *heads, 5, dtype=torch.float64, generator=draw)
    ours = torch.autograd.grad((rms_norm(hidden, gains, 1e-3) * weights).sum(), (hidden, gains))
    theirs = torch.autograd.grad((F.rms_norm(hidden, (5,), None, 1e-3) * gains * weights).sum(), (hidden, gains))
    torch.testing.assert_close(ours, theirs)


def test_a_gradient_that_comes_transposed_is_read_as_it_lies() -> None:
    hidden = torch.randn(2, 4, 3, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    gains = torch.ones(3, 6, requires_grad=True)
    (rms_norm(hidden, gains, 0.0).transpose(1, 2) ** 3).sum().backward()
    expected = torch.autograd.grad((F.rms_norm(hidden, (6,), None, 0.0) ** 3).sum(), hidden)[0]
    torch.testing.assert_close(hidden.grad, expected)
