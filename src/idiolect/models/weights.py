"""A model in a folder, as Hugging Face's tools read it: `config.json`, `generation_config.json`, `model.safetensors`.

What is read is checked whole before it is believed: a name, shape or type that is not as `config.json` says, or a
number that is not finite, is an error that names it. Nothing is guessed; no parameter is left as it happened to be.
Reading holds the model and one tensor more in memory; writing, nothing beyond the model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from idiolect.errors import ModelError
from idiolect.models.architectures.stored import Stored
from idiolect.models.build import build
from idiolect.models.config_json import (
    TokenIds,
    completed,
    read_config,
    standard_name,
    stored_tensors,
    write_config,
    written,
)
from idiolect.models.model import Model
from idiolect.models.spec import Spec

WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Files that others keep weights in as pickles."""
TYPES = ("F32", "F16", "BF16")
"""Stored types that are read; each becomes the model's fp32."""


@dataclass(frozen=True, slots=True)
class Found:
    """A tensor in an open safetensors file (which comes without types), and its name there."""

    name: str
    file: Any

    def read(self) -> Tensor:
        """The tensor itself."""
        tensor: Tensor = self.file.get_tensor(self.name)
        return tensor


def save_model(
    model: Model,
    folder: Path,
    end_of_text: int,
    tokens: TokenIds = TokenIds(),  # noqa: B008  it cannot change
) -> None:
    """Write a model into an existing folder; `transformers.AutoModelForCausalLM` then gives the same logits.

    Args:
        model: of any precision, on any device. A tied head is not stored twice.
        folder: where the three files go.
        end_of_text: the id that opens and closes documents, so that generation elsewhere knows where to stop.
        tokens: other ids by their role; what ends a text, say, where it is more than one.

    Raises:
        ModelError: a weight is not a finite number.
    """
    parameters = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    layout = stored_tensors(written(model.spec, tokens), model.spec, parameters)
    tensors = {stored.name: stored.packed(parameters) for stored in layout}
    for name, tensor in tensors.items():
        _check_finite(name, tensor, "The model")
    write_config(model.spec, folder, end_of_text, next(model.parameters()).dtype, tokens)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    shutil.copymode(folder / "config.json", folder / WEIGHTS)  # safetensors lets only the owner read it


def load_model(folder: Path) -> Model:
    """Read a model from a folder: in fp32, on the CPU, in training mode as a new model is.

    Args:
        folder: ours, or Hugging Face's of a known architecture, its weights in one file or in shards.

    Raises:
        ModelError: the folder is not such a model, or is damaged.

    Example:
        >>> model = load_model(Path("model"))
    """
    spec, config = read_config(folder / "config.json")
    with ExitStack() as files:
        found = _standard_names(folder, _open_weights(folder, files), config["model_type"], spec)
        if spec.layers > len(found):  # before so many layers are built
            raise ModelError(f"{folder} holds {len(found)} tensors, too few for {spec.layers} layers.")
        with torch.device("meta"):
            model = build(completed(spec, config["model_type"], found))
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        layout = stored_tensors(config, model.spec, shapes)
        _check_headers(folder, found, layout, shapes)
        model = model.to_empty(device="cpu")
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for stored in layout:
                tensor = found[stored.name].read()
                _check_finite(found[stored.name].name, tensor, str(folder))
                for copy in stored.copies:
                    _check_copy(folder, found, stored.name, copy, tensor)
                for name, part in stored.unpacked(tensor, shapes).items():
                    parameters[name].copy_(part)
    return model


def _open_weights(folder: Path, files: ExitStack) -> dict[str, Found]:
    """The open file that holds each tensor, by the tensor's name."""
    paths = [folder / WEIGHTS]
    if not paths[0].exists() and (folder / SHARDS).exists():
        paths = [folder / name for name in _shard_names(folder / SHARDS)]
    stored: dict[str, Found] = {}
    for path in paths:
        try:
            file = files.enter_context(safe_open(path, framework="pt"))
            names = list(file.keys())
        except FileNotFoundError as error:
            pickled = sorted(one.name for one in folder.glob("*") if one.suffix in PICKLED)
            if pickled and path.name == WEIGHTS:
                raise ModelError(
                    f"{folder} has its weights in {pickled[0]}, a format that can run code and is never loaded: have "
                    "them converted to safetensors."
                ) from error
            raise ModelError(f"{path} is missing; the folder is not a whole model.") from error
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged or is not a safetensors file ({error}).") from error
        for name in names:
            if name in stored:
                raise ModelError(f"{path} has the tensor {name}, which another shard has too.")
            stored[name] = Found(name, file)
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


def _standard_names(folder: Path, stored: dict[str, Found], model_type: str, spec: Spec) -> dict[str, Found]:
    """The parameters of a folder by the names that the architecture's module has for them."""
    found: dict[str, Found] = {}
    for name, tensor in stored.items():
        known_as = standard_name(model_type, spec, name)
        if known_as in found:
            raise ModelError(f"{folder} has {found[known_as].name} and {name}, which are two names of one tensor.")
        if known_as is not None:
            found[known_as] = tensor
    return found


def _check_headers(
    folder: Path, found: dict[str, Found], layout: list[Stored], shapes: Mapping[str, Sequence[int]]
) -> None:
    """Every tensor that is needed is there, of its shape and of a type that is read, and no other."""
    needed = {stored.name: stored.shape(shapes) for stored in layout}
    missing = sorted(needed.keys() - found.keys())
    if missing:
        raise ModelError(f"{folder} lacks the tensor {missing[0]}.")
    extra = sorted(found.keys() - needed.keys() - {copy for stored in layout for copy in stored.copies})
    if extra:
        raise ModelError(f"{folder} has the tensor {found[extra[0]].name}, for which config.json has no place.")
    for key, expected in needed.items():
        name = found[key].name
        header = found[key].file.get_slice(name)
        shape, kind = header.get_shape(), header.get_dtype()
        if shape != expected:
            raise ModelError(f"{folder}: {name} has shape {shape}; config.json makes it {expected}.")
        if kind not in TYPES:
            raise ModelError(f"{folder}: {name} is of type {kind}; only {', '.join(TYPES)} can be read.")


def _check_copy(folder: Path, found: dict[str, Found], name: str, copy: str, tensor: Tensor) -> None:
    """What is written a second time (a tied head) says the same there."""
    if copy not in found:
        return
    again = found[copy].read()
    if again.dtype != tensor.dtype or not torch.equal(again, tensor):
        raise ModelError(
            f"{folder}: {found[copy].name} differs from {found[name].name}, though tie_word_embeddings is true."
        )


def _check_finite(name: str, tensor: Tensor, owner: str) -> None:
    if not torch.isfinite(tensor).all():
        raise ModelError(f"{owner}: {name} holds a number that is not finite.")
