"""Llama, Mistral, Qwen2 and Qwen3: RMSNorm first, rotary positions, SwiGLU; what they differ in is in `written`.

| model_type | biases  | QK-norm | window |
|------------|---------|---------|--------|
| llama      | none    | no      | no     |
| mistral    | none    | no      | any    |
| qwen2      | q, k, v | no      | no     |
| qwen3      | none    | yes     | no     |
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from idiolect.errors import ModelError
from idiolect.models.architectures.fields import Fields, dropout_of
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import TransformerSpec
from idiolect.nn.positions import RopeScaling

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
    fields.architecture(CLASSES[kind])
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
    theta, scaling = _rope(fields)
    spec = TransformerSpec(
        vocab_size=fields.size("vocab_size"),
        context=fields.size("max_position_embeddings", largest=2**20),
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
    if spec != same:
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
    rope: dict[str, Any] = {"rope_theta": spec.rope_theta, "rope_type": "default"}
    if spec.rope_scaling is not None:
        rope |= _written_scaling(spec.rope_scaling)
    return {
        "architectures": [CLASSES[kind]],
        "model_type": kind,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        **rest,
        "vocab_size": spec.vocab_size,
        "max_position_embeddings": spec.context,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "hidden_size": spec.dim,
        "head_dim": spec.head_dim,
        "intermediate_size": spec.mlp_dim,
        "rms_norm_eps": spec.norm_eps,
        "rope_theta": spec.rope_theta,  # where transformers 4 and llama.cpp look for it
        "rope_scaling": None if spec.rope_scaling is None else _written_scaling(spec.rope_scaling),
        "rope_parameters": rope,
        "tie_word_embeddings": spec.tied,
    }


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


def _rope(fields: Fields) -> tuple[float, RopeScaling | None]:
    """The base of the rotary angles and how they are stretched: in `rope_parameters` since transformers 5, among the
    other fields and in `rope_scaling` before."""
    own = fields.value("rope_theta", None)
    scaling, parameters = fields.value("rope_scaling", None), fields.value("rope_parameters", None)
    if parameters is None:
        default = None if fields.model_type == "qwen3" else 10000.0
        parameters = {"rope_theta": default if own is None else own} | _object(fields, "rope_scaling", scaling or {})
    elif scaling not in (
        None,
        {k: v for k, v in _object(fields, "rope_parameters", parameters).items() if k != "rope_theta"},
    ):
        raise ModelError(f"{fields.path} has a rope_scaling that differs from its rope_parameters.")
    record = dict(_object(fields, "rope_parameters", parameters))
    theta = fields.as_number("rope_theta", record.pop("rope_theta", None))
    if theta < 1.0:
        raise ModelError(f"{fields.path} has rope_theta {theta}; it must be at least 1.")
    if own is not None and own != theta:
        raise ModelError(f"{fields.path} has two values of rope_theta, {theta} and {json.dumps(own)}.")
    kind = record.pop("rope_type", record.pop("type", "default"))
    record.pop("type", None)
    if kind == "default" and not record:
        return theta, None
    known = {
        "factor": "factor",
        "original_max_position_embeddings": "original_context",
        "low_freq_factor": "low_freq_factor",
        "high_freq_factor": "high_freq_factor",
        "beta_fast": "beta_fast",
        "beta_slow": "beta_slow",
        "attention_factor": "attention_factor",
    }
    if kind not in ("linear", "llama3", "yarn") or record.keys() - known.keys():
        raise ModelError(
            f"{fields.path} has rope_parameters {json.dumps(parameters)}, of a kind that is not known here."
        )
    values: dict[str, Any] = {known[field]: fields.as_number(field, value) for field, value in record.items()}
    values["original_context"] = int(values.get("original_context", 0))
    return theta, RopeScaling(kind, **({"factor": 1.0} | values))


def _written_scaling(scaling: RopeScaling) -> dict[str, Any]:
    record: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind != "linear":
        record["original_max_position_embeddings"] = scaling.original_context
    if scaling.kind == "llama3":
        record |= {"low_freq_factor": scaling.low_freq_factor, "high_freq_factor": scaling.high_freq_factor}
    if scaling.kind == "yarn":
        record |= {"beta_fast": scaling.beta_fast, "beta_slow": scaling.beta_slow, "attention_factor": scaling.size}
    return record


def _object(fields: Fields, field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{fields.path} has {field} {json.dumps(value)}, which must be an object.")
    return value
