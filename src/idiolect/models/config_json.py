"""The shape of a model as `config.json` tells it to Hugging Face's tools, and back.

Reading is strict: every field is one that is read, one that must have the only value this package computes with, or
one that is known not to change the arithmetic. A field of no such kind could mean a different model, and is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from idiolect.errors import ModelError, UsageError
from idiolect.models.spec import DecoderSpec

SIZES = {
    "vocab_size": "vocab_size",
    "max_position_embeddings": "context",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "hidden_size": "dim",
    "head_dim": "head_dim",
    "intermediate_size": "mlp_dim",
}
"""Fields of `config.json` that are sizes, and their names in `DecoderSpec`."""

FIXED: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
    "use_sliding_window": False,
    "rope_scaling": None,
}
"""Fields that must say just this, and when they are absent mean it; the first two may not be absent."""

IGNORED = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype", "initializer_range", "use_cache"),
    *("sliding_window", "max_window_layers", "transformers_version", "_name_or_path"),
)
"""Fields that do not change the logits (the window is not used: see `use_sliding_window`)."""

OWN = {"dropout", "tokenizer_fingerprint"}
"""What this package keeps under "idiolect", where others do not look; the fingerprint is `LanguageModel`'s to check."""

LARGEST = {"context": 2**20} | dict.fromkeys(
    ("vocab_size", "layers", "heads", "kv_heads", "dim", "head_dim", "mlp_dim"), 2**24
)
"""Sizes beyond these are a damaged or hostile file, and would only exhaust the memory."""


def write_config(spec: DecoderSpec, folder: Path, end_of_text: int, dtype: torch.dtype) -> None:
    """Write `config.json` and `generation_config.json` into an existing folder."""
    tokens = {"bos_token_id": end_of_text, "eos_token_id": end_of_text}
    config = {
        **FIXED,
        **{field: getattr(spec, name) for field, name in SIZES.items()},
        "rms_norm_eps": spec.norm_eps,
        "rope_theta": spec.rope_theta,  # where transformers 4 and llama.cpp look for it
        "rope_parameters": {"rope_theta": spec.rope_theta, "rope_type": "default"},
        "tie_word_embeddings": spec.tied,
        "dtype": str(dtype).removeprefix("torch."),
        **tokens,
        "idiolect": {"dropout": spec.dropout},
    }
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", tokens)


def read_config(path: Path) -> DecoderSpec:
    """The shape that a `config.json` describes.

    Raises:
        ModelError: it cannot be read, or describes anything but a Qwen3 decoder as this package computes it.
    """
    config = _read(path)
    for field in ("architectures", "model_type"):
        if field not in config:
            raise ModelError(f"{path} does not say its {field}; it must be {json.dumps(FIXED[field])}.")
    for field, value in FIXED.items():
        if config.get(field, value) != value:
            raise ModelError(f"{path} has {field} {json.dumps(config[field])}; only {json.dumps(value)} can be read.")
    own = config.get("idiolect", {})
    known = {*SIZES, *FIXED, *IGNORED, "rms_norm_eps", "rope_theta", "rope_parameters", "tie_word_embeddings"}
    unknown = sorted(config.keys() - known - {"layer_types", "idiolect"})
    unknown += ["idiolect"] if not isinstance(own, dict) or own.keys() - OWN else []
    if unknown:
        raise ModelError(
            f"{path} has the field {unknown[0]}, which is unknown here; remove it if the logits do not depend on it."
        )
    sizes: dict[str, Any] = {name: _size(config, field, LARGEST[name], path) for field, name in SIZES.items()}
    if config.get("layer_types") not in (None, ["full_attention"] * sizes["layers"]):
        raise ModelError(f"{path} has layer_types other than full_attention for each layer, which cannot be read.")
    tied = config.get("tie_word_embeddings")
    if not isinstance(tied, bool):
        raise ModelError(f"{path} must have tie_word_embeddings, true or false, not {json.dumps(tied)}.")
    try:
        return DecoderSpec(
            **sizes,
            tied=tied,
            norm_eps=_number(config, "rms_norm_eps", path),
            rope_theta=_rope_theta(config, path),
            dropout=_number({"dropout": 0.0} | own, "dropout", path),
        )
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from error


def _rope_theta(config: dict[str, Any], path: Path) -> float:
    """The base of the rotary angles: in `rope_parameters` since transformers 5, among the other fields before."""
    parameters = config.get("rope_parameters")
    if parameters is None:
        parameters = {"rope_theta": config.get("rope_theta")}
    if not isinstance(parameters, dict) or parameters.keys() - {"rope_theta", "rope_type"}:
        raise ModelError(
            f"{path} has rope_parameters {json.dumps(parameters)}; only rope_theta and rope_type can be read."
        )
    if parameters.get("rope_type", "default") != "default":
        raise ModelError(f'{path} has rope_parameters of type {json.dumps(parameters["rope_type"])}, not "default".')
    theta = _number(parameters, "rope_theta", path)
    if theta < 1.0:
        raise ModelError(f"{path} has rope_theta {theta}; it must be at least 1.")
    if config.get("rope_theta", theta) != theta:
        raise ModelError(f"{path} has two values of rope_theta, {theta} and {json.dumps(config['rope_theta'])}.")
    return theta


def _size(config: dict[str, Any], field: str, largest: int, path: Path) -> int:
    value = config.get(field)
    if type(value) is not int or not 1 <= value <= largest:
        raise ModelError(f"{path} must have {field}, a whole number from 1 to {largest}, not {json.dumps(value)}.")
    return value


def _number(record: dict[str, Any], field: str, path: Path) -> float:
    value = record.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ModelError(f"{path} must have {field}, a number from 0 to 1e12, not {json.dumps(value)}.")
    return float(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); give the folder of a model.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} must be a JSON object.")
    return config


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
