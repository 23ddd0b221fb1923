"""Muon equals torch's own but for bf16, and its orthogonalisation equals the polynomial written out in float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import Muon as TorchMuon

from idiolect.train.muon import Muon, orthogonalise
from idiolect.train.reference import near_orthogonal

SHAPES = [(6, 6), (12, 4), (4, 12), (6, 6), (1, 5), (12, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_orthogonalising_is_the_polynomial_of_the_singular_values(shape: tuple[int, int], steps: int) -> None:
    matrices_NRC = torch.randn(3, *shape, generator=torch.Generator().manual_seed(steps))
    found_NRC = orthogonalise(matrices_NRC, steps)
    for found, matrix in zip(found_NRC, matrices_NRC):
        assert torch.allclose(found.double(), near_orthogonal(matrix, steps), atol=1e-5)


def test_a_matrix_of_zeros_stays_zero() -> None:
    assert not orthogonalise(torch.zeros(2, 3, 4), 5).any()


def test_it_steps_as_torch_does_but_for_bf16() -> None:
    random = torch.Generator().manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape, generator=random)) for shape in SHAPES]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    settings = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.9}
    mine = Muon(ours, steps=5, **settings)
    peer = TorchMuon(theirs, ns_steps=5, adjust_lr_fn="original", **settings)
    before = [p.detach().clone() for p in ours]
    for _ in range(4):
        for a, b in zip(ours, theirs):
            a.grad = torch.randn(a.shape, generator=random)
            b.grad = a.grad.clone()
        mine.step()
        peer.step()
    for a, b, start in zip(ours, theirs, before):
        moved = (a - start).norm()
        assert moved > 0.01 and (a - b).norm() < 0.06 * moved
        assert torch.equal(mine.state[a]["momentum_buffer"], peer.state[b]["momentum_buffer"])


def test_a_matrix_without_a_gradient_stays() -> None:
    still, moving = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))
    moving.grad = torch.eye(3)
    Muon([still, moving], lr=0.1, weight_decay=0.1, momentum=0.9, steps=3).step()
    assert torch.equal(still.detach(), torch.ones(3, 3)) and not torch.equal(moving.detach(), torch.ones(3, 3))
