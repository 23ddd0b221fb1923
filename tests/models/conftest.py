"""Tiny models in which every parameter matters: the zeros and ones of the initial weights are shaken up.

Lets the tests here import `variants` too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec

sys.path.insert(0, str(Path(__file__).parent))

MakeDecoder = Callable[..., Model]


@pytest.fixture
def make_decoder() -> MakeDecoder:
    """`make_decoder(vocab_size=…, …)`: a decoder in evaluation mode, far from its initial weights."""

    def make(**shape: object) -> Model:
        sizes = {"vocab_size": 19, "context": 16, "layers": 2, "heads": 4, "kv_heads": 2, "dim": 12, "head_dim": 6}
        model = build(TransformerSpec(**{**sizes, "mlp_dim": 10, **shape}))
        model.init_weights(seed=1)
        generator = torch.Generator().manual_seed(2)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
        return model.eval()

    return make
