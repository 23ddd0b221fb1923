"""Llama, Mistral, Qwen2 and Qwen3: RMSNorm first, rotary positions, SwiGLU; what they differ in is in `written`.

| model_type | biases  | QK-norm | window |
|------------|---------|---------|--------|
| llama      | none    | no      | no     |
| mistral    | none    | no      | any    |
| qwen2      | q, k, v | no      | no     |
| qwen3      | none    | yes     | no     |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from idiolect.errors import ModelError
from idiolect.models.architectures import labels, rope
from idiolect.models.architectures.fields import Fields, dropout_of
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import TransformerSpec

CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
"""The architectures, and their classes in `transformers`."""
HEAD = "lm_head.weight"


def read(fields: Fields) -> TransformerSpec:
    """The shape that a `config.json` tells."""
    kind = fields.model_type
    name = fields.architecture(CLASSES[kind], *labels.classes(_prefix(kind)))
    fields.fixed(hidden_act="silu", attention_dropout=0.0)
    window = 0
    match kind:
        case "llama":
            fields.fixed(attention_bias=False, mlp_bias=False, pretraining_tp=1)
        case "mistral":
            window = fields.size("sliding_window") if fields.value("sliding_window", 4096) is not None else 0
        case "qwen2" | "qwen3":
            fields.fixed(use_sliding_window=False)
            if kind == "qwen3":
                fields.fixed(attention_bias=False)
    layers, heads, dim = (fields.size(f) for f in ("num_hidden_layers", "num_attention_heads", "hidden_size"))
    if fields.value("layer_types", None) not in (None, ["full_attention"] * layers):
        raise ModelError(f"{fields.path} has layer_types other than full_attention for each layer, which is unknown.")
    context = fields.size("max_position_embeddings", largest=2**20)
    theta, scaling = rope.read(fields, context)
    spec = TransformerSpec(
        vocab_size=fields.size("vocab_size"),
        context=scaling.original_context if scaling is not None and scaling.kind == "longrope" else context,
        layers=layers,
        heads=heads,
        kv_heads=fields.size("num_key_value_heads", None if kind == "qwen3" else heads),
        dim=dim,
        head_dim=fields.size("head_dim", None if kind == "qwen3" or dim % heads else dim // heads),
        mlp_dim=fields.size("intermediate_size"),
        tied=fields.flag("tie_word_embeddings"),
        norm_eps=fields.number("rms_norm_eps"),
        rope_theta=theta,
        rope_scaling=scaling,
        qk_norm=kind == "qwen3",
        biases="qkv" if kind == "qwen2" else "none",
        window=window,
        dropout=dropout_of(fields),
        head=labels.read(fields, name, encoder=False),
    )
    fields.finish(harmless=["sliding_window", "max_window_layers", "rope_theta"] if kind != "llama" else ["rope_theta"])
    return spec


def written(spec: TransformerSpec) -> dict[str, Any] | None:
    """The fields that tell a shape, of the first of the four that has it; None where none has."""
    same = TransformerSpec(
        **{name: getattr(spec, name) for name in ("vocab_size", "context", "layers", "dim", "tied", "dropout")},
        **{name: getattr(spec, name) for name in ("heads", "kv_heads", "head_dim", "mlp_dim", "norm_eps")},
        **{name: getattr(spec, name) for name in ("rope_theta", "rope_scaling", "qk_norm", "biases", "window")},
    )
    if replace(spec, head=None) != same:
        return None
    rest: dict[str, Any]
    match (spec.biases, spec.qk_norm, spec.window > 0):
        case ("none", True, False):
            kind, rest = "qwen3", {"attention_bias": False, "use_sliding_window": False}
        case ("qkv", False, False):
            kind, rest = "qwen2", {"use_sliding_window": False}
        case ("none", False, False):
            kind, rest = "llama", {"attention_bias": False, "mlp_bias": False}
        case ("none", False, True):
            kind, rest = "mistral", {"sliding_window": spec.window}
        case _:
            return None
    named = labels.written(spec.head, _prefix(kind), CLASSES[kind], encoder=False)
    if named is None:
        return None
    context = spec.context
    if spec.rope_scaling is not None and spec.rope_scaling.kind == "longrope":
        context = round(context * spec.rope_scaling.factor)
    scaling = None if spec.rope_scaling is None else rope.written(spec.rope_scaling)
    return {
        **named,
        "model_type": kind,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        **rest,
        "vocab_size": spec.vocab_size,
        "max_position_embeddings": context,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "hidden_size": spec.dim,
        "head_dim": spec.head_dim,
        "intermediate_size": spec.mlp_dim,
        "rms_norm_eps": spec.norm_eps,
        "rope_theta": spec.rope_theta,  # where transformers 4 and llama.cpp look for it
        "rope_scaling": scaling,
        "rope_parameters": {"rope_theta": spec.rope_theta, **(scaling or {"rope_type": "default"})},
        "tie_word_embeddings": spec.tied,
    }


def _prefix(kind: str) -> str:
    return CLASSES[kind].removesuffix("ForCausalLM")


def standard(name: str) -> str | None:
    """Older files hold the speeds of the rotary angles too, which config.json tells."""
    return None if name.endswith(".rotary_emb.inv_freq") else name


def stored(spec: TransformerSpec, names: Iterable[str]) -> list[Stored]:
    """Which tensor holds which parameter."""
    ours_to_theirs = {
        ".attention.": ".self_attn.",
        ".attention_norm.": ".input_layernorm.",
        ".mlp_norm.": ".post_attention_layernorm.",
    }

    def theirs(name: str) -> str:
        for ours, other in ours_to_theirs.items():
            name = name.replace(ours, other)
        return name if name == HEAD else f"model.{name}"

    head = (HEAD,) if spec.tied else ()
    return [Stored(theirs(name), (name,), copies=head if name == "embed_tokens.weight" else ()) for name in names]
