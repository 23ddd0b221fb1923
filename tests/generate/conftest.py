"""Tiny models in which every parameter, token and position matters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from idiolect.models.spec import TransformerSpec
from idiolect.models.transformer import Transformer

MakeDecoder = Callable[..., Transformer]


@pytest.fixture(scope="session")
def make_decoder() -> MakeDecoder:
    """`make_decoder(vocab_size, context, seed=…, …)`: a decoder of random weights, in evaluation mode."""

    def make(vocab_size: int = 29, context: int = 8, *, seed: int = 0, **shape: object) -> Transformer:
        sizes = {"layers": 2, "heads": 4, "kv_heads": 2, "dim": 16, "head_dim": 8, "mlp_dim": 24, "tied": False}
        model = Transformer(TransformerSpec(vocab_size, context, **{**sizes, **shape}))  # type: ignore[arg-type]
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.5)
        return model.eval()

    return make
