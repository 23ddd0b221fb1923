"""From the shape of a model to the model: the one place where a family is chosen."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from idiolect.models.heads import Headed
from idiolect.models.model import Model
from idiolect.models.recurrent import Recurrent
from idiolect.models.spec import HeadSpec, RecurrentSpec, Spec, TransformerSpec
from idiolect.models.transformer import Transformer


def build(spec: Spec) -> Model:
    """A model of this shape. Its weights mean nothing until `init_weights(seed)` or a folder sets them.

    Example:
        >>> model = build(TransformerSpec(vocab_size=65, context=64))
        >>> model.init_weights(seed=0)
    """
    body: Model
    match spec.family:
        case "decoder" | "encoder":
            assert isinstance(spec, TransformerSpec)
            body = Transformer(spec)
        case "rnn" | "lstm" | "gru":
            assert isinstance(spec, RecurrentSpec)
            body = Recurrent(spec)
    return body if spec.head is None else Headed(body, spec.head)


def with_head(model: Model, head: HeadSpec, *, seed: int) -> Headed:
    """A model's body under another head: the base of a classifier, a tagger, or whatever else differs in its head.

    The parameters are copies; `model` stays as it is. The head is new, and so is the pooler that an encoder needs for
    its first position, where it had none.

    Args:
        model: with any head.
        head: the new one.
        seed: of what is new.

    Raises:
        UsageError: the body cannot have such a head.

    Example:
        >>> classifier = with_head(encoder, HeadSpec(("negative", "positive")), seed=0)
    """
    body = model.body if isinstance(model, Headed) else model
    spec: Spec = replace(body.spec, head=None)
    if isinstance(spec, TransformerSpec) and spec.family == "encoder":
        spec = replace(spec, masked_head=False, pair_head=False, tied=True, pooler=head.pooling == "cls")
    headed = build(replace(spec, head=head))
    assert isinstance(headed, Headed)
    headed.init_weights(seed)
    known = dict(body.named_parameters())
    with torch.no_grad():
        for name, parameter in headed.body.named_parameters():
            if name in known:
                parameter.copy_(known[name])
    first = next(body.parameters())
    return headed.to(first.device).train(model.training)


def count_inner_parameters(spec: Spec) -> int:
    """How many of a model's parameters stand between its embeddings and its head.

    Example:
        >>> count_inner_parameters(TransformerSpec(vocab_size=65, context=64))
        853376
    """
    with torch.device("meta"):
        model = build(spec)
    ends = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    ends |= {id(parameter) for name, parameter in model.named_parameters() if name == "lm_head.weight"}
    return sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in ends)


def count_parameters(spec: Spec) -> int:
    """How many parameters a model of this shape has, a tied head counted once. Nothing is allocated.

    Example:
        >>> count_parameters(TransformerSpec(vocab_size=65, context=64))
        861696
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec).parameters())
