"""GPT-2: learned positions, LayerNorm first, biases everywhere, a plain feed-forward layer (Radford et al. 2019).

Its matrices are turned over (`Conv1D`), and those of queries, keys and values are one. Files of the hub have the prefix
`transformer.` or none, and hold the triangle of what may be seen as `attn.bias`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from idiolect.errors import ModelError
from idiolect.models.architectures import labels
from idiolect.models.architectures.fields import Fields, dropout_of
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import TransformerSpec
from idiolect.nn.mlp import Activation

MODEL_TYPE = "gpt2"
CLASS, PREFIX = "GPT2LMHeadModel", "GPT2"
HEAD = "lm_head.weight"
ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
}
"""Hugging Face's names; of several for one function the first is written."""


def read(fields: Fields) -> TransformerSpec:
    """The shape that a `config.json` tells."""
    name = fields.architecture(CLASS, *labels.classes(PREFIX))
    fields.fixed(scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, reorder_and_upcast_attn=False)
    fields.fixed(add_cross_attention=False)
    layers, heads, dim = (fields.size(field) for field in ("n_layer", "n_head", "n_embd"))
    context = fields.size("n_positions", largest=2**20)
    fields.fixed(n_ctx=context)
    if dim % heads:
        raise ModelError(f"{fields.path} has n_embd {dim}, which n_head ({heads}) does not divide.")
    spec = TransformerSpec(
        vocab_size=fields.size("vocab_size"),
        context=context,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        dim=dim,
        head_dim=dim // heads,
        mlp_dim=fields.size("n_inner", 4 * dim),
        tied=fields.flag("tie_word_embeddings", True),
        norm_eps=fields.number("layer_norm_epsilon", 1e-5),
        activation=fields.choice("activation_function", ACTIVATIONS, "gelu_new"),
        dropout=dropout_of(fields, fields.number("resid_pdrop", 0.1)),
        head=labels.read(fields, name, encoder=False),
        **_ALWAYS,
    )
    summary = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")
    dropped = ("embd_pdrop", "attn_pdrop", "classifier_dropout")
    fields.finish(harmless=[*dropped, *(f"summary_{field}" for field in summary)])
    return spec


_ALWAYS: dict[str, Any] = {
    **{"positions": "learned", "norm": "layer", "norm_place": "pre", "biases": "all", "gated": False, "qk_norm": False},
}


def written(spec: TransformerSpec) -> dict[str, Any] | None:
    """The fields that tell a shape; None where it is none of GPT-2's."""
    same = TransformerSpec(
        **{name: getattr(spec, name) for name in ("vocab_size", "context", "layers", "dim", "tied", "dropout")},
        **{name: getattr(spec, name) for name in ("heads", "head_dim", "mlp_dim", "norm_eps", "activation")},
        kv_heads=spec.heads,
        **_ALWAYS,
    )
    if replace(spec, head=None) != same or spec.heads * spec.head_dim != spec.dim:
        return None
    named = labels.written(spec.head, PREFIX, CLASS, encoder=False)
    if named is None:
        return None
    return {
        **named,
        "model_type": MODEL_TYPE,
        "vocab_size": spec.vocab_size,
        "n_positions": spec.context,
        "n_layer": spec.layers,
        "n_head": spec.heads,
        "n_embd": spec.dim,
        "n_inner": spec.mlp_dim,
        "layer_norm_epsilon": spec.norm_eps,
        "activation_function": next(name for name, ours in ACTIVATIONS.items() if ours == spec.activation),
        "embd_pdrop": spec.dropout,
        "resid_pdrop": spec.dropout,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": spec.tied,
    }


def standard(name: str) -> str | None:
    """With the prefix that files of the bare model lack; the masks in them are no parameters."""
    if re.fullmatch(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias", name):
        return None
    return name if name.startswith(("transformer.", "lm_head.", "score.", "classifier.")) else f"transformer.{name}"


def stored(spec: TransformerSpec, names: Iterable[str]) -> list[Stored]:
    """Which tensor holds which parameter."""
    parts = {
        "attention_norm": "ln_1",
        "mlp_norm": "ln_2",
        "attention.o_proj": "attn.c_proj",
        "mlp.up_proj": "mlp.c_fc",
        "mlp.down_proj": "mlp.c_proj",
    }
    whole = {
        "embed_tokens.weight": Stored(
            "transformer.wte.weight", ("embed_tokens.weight",), copies=(HEAD,) if spec.tied else ()
        ),
        "embed_positions.weight": Stored("transformer.wpe.weight", ("embed_positions.weight",)),
        "norm.weight": Stored("transformer.ln_f.weight", ("norm.weight",)),
        "norm.bias": Stored("transformer.ln_f.bias", ("norm.bias",)),
        HEAD: Stored(HEAD, (HEAD,)),
    }
    layout = []
    for name in names:
        if name in whole:
            layout.append(whole[name])
            continue
        _, layer, *middle, kind = name.split(".")
        part = ".".join(middle)
        block, turned = f"transformer.h.{layer}", kind == "weight" and part.endswith("_proj")
        if part in parts:
            layout.append(Stored(f"{block}.{parts[part]}.{kind}", (name,), transposed=turned))
        elif part == "attention.q_proj":  # keys and values lie beside it
            three = tuple(f"layers.{layer}.attention.{one}_proj.{kind}" for one in "qkv")
            layout.append(Stored(f"{block}.attn.c_attn.{kind}", three, transposed=turned))
    return layout
