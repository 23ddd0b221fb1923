"""A model in a folder, as Hugging Face's tools read it: `config.json`, `generation_config.json`, `model.safetensors`.

What is read is checked whole before it is believed: a name, shape or type that is not as `config.json` says, or a
number that is not finite, is an error that names it. Nothing is guessed; no parameter is left as it happened to be.
Reading holds the model and one tensor more in memory; writing, nothing beyond the model.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from idiolect.errors import ModelError
from idiolect.models.architectures.stored import Stored
from idiolect.models.build import build
from idiolect.models.config_json import read_config, stored_tensors, write_config, written
from idiolect.models.model import Model

WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
HEAD = "lm_head.weight"
"""The head's name in the files of most; tied to the embeddings, some write it there once more."""
TYPES = ("F32", "F16", "BF16")
"""Stored types that are read; each becomes the model's fp32."""

Files = dict[str, Any]
"""Of each tensor, the open safetensors file that holds it (which comes without types)."""


def save_model(model: Model, folder: Path, end_of_text: int) -> None:
    """Write a model into an existing folder; `transformers.AutoModelForCausalLM` then gives the same logits.

    Args:
        model: of any precision, on any device. A tied head is not stored twice.
        folder: where the three files go.
        end_of_text: the id that opens and closes documents, so that generation elsewhere knows where to stop.

    Raises:
        ModelError: a weight is not a finite number.
    """
    parameters = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    layout = stored_tensors(written(model.spec)["model_type"], parameters)
    tensors = {stored.name: stored.packed(parameters) for stored in layout}
    for name, tensor in tensors.items():
        _check_finite(name, tensor, "The model")
    write_config(model.spec, folder, end_of_text, next(model.parameters()).dtype)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    shutil.copymode(folder / "config.json", folder / WEIGHTS)  # safetensors lets only the owner read it


def load_model(folder: Path) -> Model:
    """Read a model from a folder: in fp32, on the CPU, in training mode as a new model is.

    Args:
        folder: ours, or any Qwen3 folder of Hugging Face's, its weights in one file or in shards.

    Raises:
        ModelError: the folder is not such a model, or is damaged.

    Example:
        >>> model = load_model(Path("model"))
    """
    spec, model_type = read_config(folder / "config.json")
    with ExitStack() as files:
        found = _open_weights(folder, files)
        if spec.layers > len(found):  # before so many layers are built
            raise ModelError(f"{folder} holds {len(found)} tensors, too few for {spec.layers} layers.")
        with torch.device("meta"):
            model = build(spec)
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        layout = stored_tensors(model_type, shapes)
        _check_headers(folder, found, {stored.name: stored.shape(shapes) for stored in layout}, repeats_head=spec.tied)
        model = model.to_empty(device="cpu")
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for stored in layout:
                tensor = found[stored.name].get_tensor(stored.name)
                _check_finite(stored.name, tensor, str(folder))
                for name, part in stored.unpacked(tensor, shapes).items():
                    parameters[name].copy_(part)
        if spec.tied and HEAD in found:
            _check_head(folder, found, layout)
    return model


def _open_weights(folder: Path, files: ExitStack) -> Files:
    """The open file that holds each tensor, by the tensor's name."""
    paths = [folder / WEIGHTS]
    if not paths[0].exists() and (folder / SHARDS).exists():
        paths = [folder / name for name in _shard_names(folder / SHARDS)]
    stored: Files = {}
    for path in paths:
        try:
            file = files.enter_context(safe_open(path, framework="pt"))
            names = list(file.keys())
        except FileNotFoundError as error:
            raise ModelError(f"{path} is missing; the folder is not a whole model.") from error
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged or is not a safetensors file ({error}).") from error
        for name in names:
            if name in stored:
                raise ModelError(f"{path} has the tensor {name}, which another shard has too.")
            stored[name] = file
    return stored


def _shard_names(index: Path) -> list[str]:
    """The files that an index names, all of them in its own folder."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{index} is not an index of shards.") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{index} names the shard {json.dumps(name)}, which is not a file in its folder.")
    return names


def _check_headers(folder: Path, found: Files, shapes: dict[str, list[int]], *, repeats_head: bool) -> None:
    """Every tensor that is needed is there, of its shape and of a type that is read, and no other."""
    missing = sorted(shapes.keys() - found.keys())
    if missing:
        raise ModelError(f"{folder} lacks the tensor {missing[0]}.")
    extra = sorted(found.keys() - shapes.keys() - ({HEAD} if repeats_head else set()))
    if extra:
        raise ModelError(f"{folder} has the tensor {extra[0]}, for which config.json has no place.")
    for name, expected in shapes.items():
        header = found[name].get_slice(name)
        shape, kind = header.get_shape(), header.get_dtype()
        if shape != expected:
            raise ModelError(f"{folder}: {name} has shape {shape}; config.json makes it {expected}.")
        if kind not in TYPES:
            raise ModelError(f"{folder}: {name} is of type {kind}; only {', '.join(TYPES)} can be read.")


def _check_head(folder: Path, found: Files, layout: list[Stored]) -> None:
    """A tied head that is written a second time says the same as the embeddings."""
    embedding = next(stored.name for stored in layout if stored.parts == ("embed_tokens.weight",))
    head, embedded = found[HEAD].get_tensor(HEAD), found[embedding].get_tensor(embedding)
    if head.dtype != embedded.dtype or not torch.equal(head, embedded):
        raise ModelError(f"{folder}: {HEAD} differs from {embedding}, though tie_word_embeddings is true.")


def _check_finite(name: str, tensor: Tensor, owner: str) -> None:
    if not torch.isfinite(tensor).all():
        raise ModelError(f"{owner}: {name} holds a number that is not finite.")
