"""The shape of a model as `config.json` tells it to Hugging Face's tools, and back.

Of each architecture that others know there is a module in `models/architectures`; here one is chosen, by the model
type when a folder is read, and by what can express the shape when one is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from idiolect.errors import ModelError, UsageError
from idiolect.models.architectures import llama, own
from idiolect.models.architectures.fields import Fields
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import Spec, TransformerSpec

KNOWN = (*llama.CLASSES, own.MODEL_TYPE)
"""Model types that are read."""


def write_config(spec: Spec, folder: Path, end_of_text: int, dtype: torch.dtype) -> None:
    """Write `config.json` and `generation_config.json` into an existing folder."""
    tokens = {"bos_token_id": end_of_text, "eos_token_id": end_of_text}
    config = {
        **written(spec),
        "dtype": str(dtype).removeprefix("torch."),
        **tokens,
        "idiolect": {"dropout": spec.dropout},
    }
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", tokens)


def written(spec: Spec) -> dict[str, Any]:
    """The fields that tell a shape, of the architecture that others know it by, or else of our own."""
    if isinstance(spec, TransformerSpec) and (fields := llama.written(spec)):
        return fields
    return own.written(spec)


def stored_tensors(model_type: str, names: Iterable[str]) -> list[Stored]:
    """Which tensor of a file holds which of our parameters."""
    match model_type:
        case own.MODEL_TYPE:
            return own.stored(names)
        case _:
            return llama.stored(names)


def read_config(path: Path) -> tuple[Spec, str]:
    """The shape that a `config.json` describes, and its model type.

    Raises:
        ModelError: it cannot be read, or describes a model that this package does not compute.
    """
    fields = Fields(path, _read(path))
    try:
        match fields.model_type:
            case own.MODEL_TYPE:
                return own.read(fields), fields.model_type
            case kind if kind in llama.CLASSES:
                return llama.read(fields), fields.model_type
            case kind:
                raise ModelError(f"{path} has model_type {json.dumps(kind)}; only {', '.join(KNOWN)} can be read.")
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from error


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
