"""From the shape of a model to the model: the one place where a family is chosen."""

from __future__ import annotations

import torch

from idiolect.models.model import Model
from idiolect.models.recurrent import Recurrent
from idiolect.models.spec import RecurrentSpec, Spec, TransformerSpec
from idiolect.models.transformer import Transformer


def build(spec: Spec) -> Model:
    """A model of this shape. Its weights mean nothing until `init_weights(seed)` or a folder sets them.

    Example:
        >>> model = build(TransformerSpec(vocab_size=65, context=64))
        >>> model.init_weights(seed=0)
    """
    match spec.family:
        case "decoder" | "encoder":
            assert isinstance(spec, TransformerSpec)
            return Transformer(spec)
        case "rnn" | "lstm" | "gru":
            assert isinstance(spec, RecurrentSpec)
            return Recurrent(spec)


def count_parameters(spec: Spec) -> int:
    """How many parameters a model of this shape has, a tied head counted once. Nothing is allocated.

    Example:
        >>> count_parameters(TransformerSpec(vocab_size=65, context=64))
        861696
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec).parameters())
