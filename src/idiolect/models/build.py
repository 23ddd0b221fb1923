"""From the shape of a model to the model: the one place where a family is chosen."""

from __future__ import annotations

import torch

from idiolect.models.decoder import Decoder
from idiolect.models.spec import DecoderSpec, Model


def build(spec: DecoderSpec) -> Model:
    """A model of this shape. Its weights mean nothing until `init_weights(seed)` or a folder sets them.

    Example:
        >>> model = build(DecoderSpec(vocab_size=65, context=64))
        >>> model.init_weights(seed=0)
    """
    match spec.family:
        case "decoder":
            return Decoder(spec)


def count_parameters(spec: DecoderSpec) -> int:
    """How many parameters a model of this shape has, a tied head counted once. Nothing is allocated.

    Example:
        >>> count_parameters(DecoderSpec(vocab_size=65, context=64))
        861696
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec).parameters())
