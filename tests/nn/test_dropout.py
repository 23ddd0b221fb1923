"""Dropout on a CPU: what is kept and how often, alike for a seed, and a gradient where something passed."""

from __future__ import annotations

import pytest
import torch

from idiolect.nn.dropout import dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_stays(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    dropped = dropout(torch.ones(400, 501, dtype=dtype), share, training=True)
    values = dropped.unique().tolist()
    assert values[0] == 0 and values[1] == pytest.approx(1 / (1 - share), rel=1e-4 if dtype != torch.bfloat16 else 4e-3)
    for axis in (0, 1):  # everywhere alike
        shares = (dropped == 0).double().mean(dim=axis)
        assert float(shares.mean()) == pytest.approx(share, abs=0.005)
        assert float(shares.std()) == pytest.approx((share * (1 - share) / dropped.shape[axis]) ** 0.5, rel=0.15)


def test_neighbours_that_share_a_random_number_are_independent() -> None:
    torch.manual_seed(1)
    zeros = (dropout(torch.ones(100_000, 4), 0.3, training=True) == 0).double()
    correlations = torch.corrcoef(zeros.T) - torch.eye(4)
    assert float(correlations.abs().max()) < 0.02


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 7), (0, 4)])
def test_any_shape_and_the_same_for_a_seed(shape: tuple[int, ...]) -> None:
    hidden = torch.randn(shape)
    torch.manual_seed(2)
    first = dropout(hidden, 0.5, training=True)
    torch.manual_seed(2)
    assert torch.equal(dropout(hidden, 0.5, training=True), first) and first.shape == hidden.shape


def test_the_gradient_passes_where_the_number_did() -> None:
    hidden = torch.randn(50, 3, requires_grad=True)
    dropped = dropout(hidden, 0.4, training=True)
    dropped.sum().backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    assert torch.equal(hidden.grad == 0, dropped == 0)
    assert torch.allclose(hidden.grad * hidden, dropped)


@pytest.mark.parametrize(("share", "training"), [(0.0, True), (0.5, False)])
def test_nothing_is_dropped_otherwise(share: float, training: bool) -> None:
    hidden = torch.randn(3, 4)
    state = torch.get_rng_state()
    assert dropout(hidden, share, training) is hidden
    assert torch.equal(torch.get_rng_state(), state), "and nothing drawn"
