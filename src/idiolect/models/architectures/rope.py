"""Rotary positions as a `config.json` tells of them: the base of the angles, and how they are stretched.

The rules are those of `transformers` (`ROPE_INIT_FUNCTIONS`), with its defaults.
"""

from __future__ import annotations

import json
from typing import Any

from idiolect.errors import ModelError
from idiolect.models.architectures.fields import Fields
from idiolect.nn.positions import RopeScaling

_NUMBERS = {
    "factor": "factor",
    "original_max_position_embeddings": "original_context",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
    "attention_factor": "attention_factor",
}
"""Fields that are numbers, and what they are called here."""
_RULES = ("linear", "llama3", "yarn", "longrope", "dynamic")


def read(fields: Fields, context: int) -> tuple[float, RopeScaling | None]:
    """The base and the rule: in `rope_parameters` since transformers 5, among the other fields and in `rope_scaling`
    before.

    Args:
        fields: of the `config.json`.
        context: its max_position_embeddings, which some rules fall back on.
    """
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
    values: dict[str, Any] = {}
    if kind == "longrope":
        values["short_factors"] = _list(fields, "short_factor", record.pop("short_factor", None))
        values["long_factors"] = _list(fields, "long_factor", record.pop("long_factor", None))
    sharpened = (None, None)
    if kind == "yarn":
        values["truncate"] = bool(record.pop("truncate", True))
        sharpened = (record.pop("mscale", None), record.pop("mscale_all_dim", None))
    if kind in ("yarn", "longrope"):  # what they are stretched by may be told by the two contexts
        record = {"original_max_position_embeddings": context} | record
        if record.get("factor", None if kind == "longrope" else 0.0) is None:
            record["factor"] = _ratio(fields, context, record["original_max_position_embeddings"])
    record = {field: value for field, value in record.items() if value is not None}
    if kind not in _RULES or record.keys() - _NUMBERS.keys():
        raise ModelError(
            f"{fields.path} has rope_parameters {json.dumps(parameters)}, of a kind that is not known here."
        )
    if "factor" not in record:
        raise ModelError(f"{fields.path} does not say the factor of its rope_parameters.")
    values |= {_NUMBERS[field]: fields.as_number(field, value) for field, value in record.items()}
    values["original_context"] = int(values.get("original_context", 0))
    if all(sharpened) and "attention_factor" not in values:
        values["attention_factor"] = _sharpness(fields, values["factor"], *sharpened)
    return theta, RopeScaling(kind, **values)


def written(scaling: RopeScaling) -> dict[str, Any]:
    """The fields that tell a rule."""
    record: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind not in ("linear", "dynamic"):
        record["original_max_position_embeddings"] = scaling.original_context
    if scaling.kind == "llama3":
        record |= {"low_freq_factor": scaling.low_freq_factor, "high_freq_factor": scaling.high_freq_factor}
    if scaling.kind == "yarn":
        record |= {"beta_fast": scaling.beta_fast, "beta_slow": scaling.beta_slow}
        record |= {} if scaling.truncate else {"truncate": False}
    if scaling.kind == "longrope":
        record |= {"short_factor": list(scaling.short_factors), "long_factor": list(scaling.long_factors)}
    if scaling.kind in ("yarn", "longrope"):
        record["attention_factor"] = scaling.size
    return record


def _ratio(fields: Fields, context: int, original: object) -> float:
    return max(1.0, context / max(1.0, fields.as_number("original_max_position_embeddings", original)))


def _sharpness(fields: Fields, factor: float, one: object, all_channels: object) -> float:
    """By what scores are sharpened where that is told as a ratio (DeepSeek's mscale)."""
    usual = RopeScaling("yarn", factor, 1).size - 1.0
    above, below = fields.as_number("mscale", one), fields.as_number("mscale_all_dim", all_channels)
    return (above * usual + 1.0) / (below * usual + 1.0)


def _list(fields: Fields, field: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, list):
        raise ModelError(f"{fields.path} must have {field} in its rope_parameters, a list of numbers.")
    return tuple(fields.as_number(field, value) for value in values)


def _object(fields: Fields, field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{fields.path} has {field} {json.dumps(value)}, which must be an object.")
    return value
