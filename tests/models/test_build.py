"""From a shape to a model, and its size without building it."""

from __future__ import annotations

import pytest

from idiolect.models.build import build, count_inner_parameters, count_parameters
from idiolect.models.spec import RecurrentSpec, TransformerSpec
from idiolect.models.transformer import Transformer


@pytest.mark.parametrize("tied", [True, False])
def test_the_count_is_that_of_the_model_and_of_the_formula(tied: bool) -> None:
    spec = TransformerSpec(
        vocab_size=31, context=8, layers=3, heads=6, kv_heads=2, dim=10, head_dim=4, mlp_dim=14, tied=tied
    )
    model = build(spec)
    assert isinstance(model, Transformer)
    attention = 2 * 10 * 6 * 4 + 2 * 10 * 2 * 4 + 2 * 4
    by_hand = 31 * 10 * (1 if tied else 2) + 3 * (attention + 3 * 10 * 14 + 2 * 10) + 10
    assert count_parameters(spec) == by_hand == sum(parameter.numel() for parameter in model.parameters())


def test_a_model_that_no_machine_holds_can_be_counted() -> None:
    spec = TransformerSpec(vocab_size=10**6, context=1024, layers=2, dim=10**6, mlp_dim=10**7)
    assert count_parameters(spec) > 6 * 10**13


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_between_the_ends_is_what_does_not_grow_with_the_vocabulary(tied: bool) -> None:
    for family in (TransformerSpec, RecurrentSpec):
        small, large = (family(vocab_size=size, context=8, tied=tied) for size in (10, 1000))
        assert count_inner_parameters(small) == count_inner_parameters(large)
        assert count_parameters(small) - count_inner_parameters(small) == (1 if tied else 2) * 10 * small.dim
    learned = TransformerSpec(vocab_size=10, context=8, positions="learned")
    assert count_inner_parameters(learned) == count_inner_parameters(TransformerSpec(vocab_size=10, context=8))
