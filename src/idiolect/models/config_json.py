"""The shape of a model as `config.json` tells it to Hugging Face's tools, and back.

Of each architecture that others know there is a module in `models/architectures`; here one is chosen, by the model
type when a folder is read, and by what can express the shape when one is written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from idiolect.errors import ModelError, UsageError
from idiolect.models.architectures import bert, gpt2, labels, llama, own
from idiolect.models.architectures.fields import Fields
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import Spec, TransformerSpec

KNOWN = (*llama.CLASSES, gpt2.MODEL_TYPE, *bert.CLASSES, own.MODEL_TYPE)
"""Model types that are read."""
CONFIG, GENERATION = "config.json", "generation_config.json"


@dataclass(frozen=True, slots=True)
class TokenIds:
    """Which ids begin, end and fill up texts, as a folder tells them to whoever generates from it.

    Example:
        >>> TokenIds(begin=1, ends=(2, 7))
        TokenIds(begin=1, ends=(2, 7), pad=None)
    """

    begin: int | None = None
    ends: tuple[int, ...] = ()
    pad: int | None = None

    def fields(self) -> dict[str, Any]:
        """As Hugging Face's tools read them: null where there is none, so that they do not assume one."""
        ends: Any = self.ends[0] if len(self.ends) == 1 else list(self.ends) or None
        return {"bos_token_id": self.begin, "eos_token_id": ends, "pad_token_id": self.pad}


def read_token_ids(folder: Path, vocab_size: int) -> TokenIds:
    """The ids that `generation_config.json` names, or `config.json` where it does not.

    Those beyond the vocabulary, which no model can say, are passed over.

    Raises:
        ModelError: a file cannot be read, or names what is no id.
    """
    record = _read(folder / CONFIG)
    if (folder / GENERATION).exists():
        record |= _read(folder / GENERATION)

    def ids(field: str) -> tuple[int, ...]:
        value = record.get(field)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        if any(type(one) is not int for one in listed):
            raise ModelError(f"{folder} has {field} {json.dumps(value)}, which is no token's id.")
        return tuple(one for one in listed if 0 <= one < vocab_size)

    begin, pad = ids("bos_token_id"), ids("pad_token_id")
    return TokenIds(begin[0] if begin else None, ids("eos_token_id"), pad[0] if pad else None)


def write_config(
    spec: Spec, folder: Path, end_of_text: int, dtype: torch.dtype, tokens: TokenIds = TokenIds()
) -> dict[str, Any]:
    """Write `config.json` and, of what can generate, `generation_config.json` into an existing folder.

    Args:
        spec: the shape.
        folder: where they go.
        end_of_text: what begins and ends a text where `tokens` does not say; an encoder generates none, and needs none.
        dtype: of the weights.
        tokens: the ids by their role.

    Returns:
        What `config.json` holds.
    """
    encoder = isinstance(spec, TransformerSpec) and spec.family == "encoder"
    if not encoder:
        begin = end_of_text if tokens.begin is None else tokens.begin
        tokens = replace(tokens, begin=begin, ends=tokens.ends or (end_of_text,))
        if spec.head is not None and tokens.pad is None:  # else their decoders classify one text at a time only
            tokens = replace(tokens, pad=end_of_text)
    config = {
        **written(spec, tokens),
        "dtype": str(dtype).removeprefix("torch."),
        **tokens.fields(),
        "idiolect": {"dropout": spec.dropout},
    }
    _write(folder / CONFIG, config)
    if not encoder and spec.head is None:
        _write(folder / GENERATION, tokens.fields())
    return config


def written(spec: Spec, tokens: TokenIds = TokenIds()) -> dict[str, Any]:
    """The fields that tell a shape, of the architecture that others know it by, or else of our own."""
    known = None
    if isinstance(spec, TransformerSpec):
        known = llama.written(spec) or gpt2.written(spec) or bert.written(spec, tokens.pad)
    return known or own.written(spec)


def standard_name(model_type: str, spec: Spec, name: str) -> str | None:
    """The name that `stored_tensors` has for a tensor of a file; None for one that is no parameter."""
    match model_type:
        case own.MODEL_TYPE:
            return own.standard(name)
        case gpt2.MODEL_TYPE:
            return gpt2.standard(name)
        case bert.BERT | bert.ROBERTA:
            return bert.standard(name, model_type, spec.head)
        case _:
            return llama.standard(name)


def completed(spec: Spec, model_type: str, names: Collection[str]) -> Spec:
    """The shape with the parts that only the file's tensors tell of, by their standard names."""
    if isinstance(spec, TransformerSpec) and model_type in bert.CLASSES:
        return bert.completed(spec, names)
    return spec


def stored_tensors(config: dict[str, Any], spec: Spec, names: Collection[str]) -> list[Stored]:
    """Which tensor of a file holds which of our parameters.

    Args:
        config: the fields of its `config.json`.
        spec: the shape.
        names: of the parameters.
    """
    kind = config["model_type"]
    if kind == own.MODEL_TYPE:
        return own.stored(names)
    assert isinstance(spec, TransformerSpec), "others know Transformers only"
    if spec.head is None:
        return _body_tensors(config, spec, names)
    body = [name.removeprefix("body.") for name in names if name.startswith("body.")]
    layout = [replace(s, parts=tuple(f"body.{part}" for part in s.parts)) for s in _body_tensors(config, spec, body)]
    matrix = labels.matrix(kind, spec.head)
    own_head = [name for name in names if name.startswith("score.")]
    return layout + [Stored(name.replace("score", matrix, 1), (name,)) for name in own_head]


def _body_tensors(config: dict[str, Any], spec: TransformerSpec, names: Iterable[str]) -> list[Stored]:
    """The same of a model without labels."""
    match kind := config["model_type"]:
        case gpt2.MODEL_TYPE:
            return gpt2.stored(spec, names)
        case bert.BERT | bert.ROBERTA:
            return bert.stored(spec, names, kind, blank=config["max_position_embeddings"] - spec.context)
        case _:
            return llama.stored(spec, names)


def read_config(path: Path) -> tuple[Spec, dict[str, Any]]:
    """The shape that a `config.json` describes, and its fields.

    Raises:
        ModelError: it cannot be read, or describes a model that this package does not compute.
    """
    config = _read(path)
    fields = Fields(path, config)
    try:
        match fields.model_type:
            case own.MODEL_TYPE:
                return own.read(fields), config
            case gpt2.MODEL_TYPE:
                return gpt2.read(fields), config
            case bert.BERT | bert.ROBERTA:
                return bert.read(fields), config
            case kind if kind in llama.CLASSES:
                return llama.read(fields), config
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
