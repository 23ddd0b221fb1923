"""The folder of a shape that no known architecture has: `config.json` is the shape itself, the names are ours.

Only this package reads such a folder; `transformers` says that it does not know the model type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, TypeVar, get_type_hints

from idiolect.config import check
from idiolect.errors import ModelError, UsageError
from idiolect.models.architectures.fields import LARGEST, Fields
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import HeadSpec, RecurrentSpec, Spec, TransformerSpec
from idiolect.nn.positions import RopeScaling

MODEL_TYPE = "idiolect"
ARCHITECTURE = "IdiolectModel"

Record = TypeVar("Record", TransformerSpec, RecurrentSpec, RopeScaling, HeadSpec)


def read(fields: Fields) -> Spec:
    """The shape that a `config.json` tells."""
    fields.architecture(ARCHITECTURE)
    fields.own()
    shape = fields.value("shape")
    fields.finish()
    if isinstance(shape, dict):
        head = shape.get("head")
        shape = shape | {"head": None if head is None else _record(fields, "shape.head", HeadSpec, head)}
    if isinstance(shape, dict) and shape.get("family") in ("decoder", "encoder"):
        scaling = shape.get("rope_scaling")
        read_scaling = None if scaling is None else _record(fields, "shape.rope_scaling", RopeScaling, scaling)
        return _record(fields, "shape", TransformerSpec, shape | {"rope_scaling": read_scaling})
    return _record(fields, "shape", RecurrentSpec, shape)


def written(spec: Spec) -> dict[str, Any]:
    """The fields that tell a shape."""
    return {"architectures": [ARCHITECTURE], "model_type": MODEL_TYPE, "shape": asdict(spec)}


def standard(name: str) -> str | None:
    """Nothing is called otherwise."""
    return name


def stored(names: Iterable[str]) -> list[Stored]:
    """Each parameter is a tensor of its own name."""
    return [Stored(name, (name,)) for name in names]


def _record(fields: Fields, name: str, kind: type[Record], values: object) -> Record:
    """A dataclass with every value there, and of the type its field declares."""
    hints = get_type_hints(kind)
    if not isinstance(values, dict) or values.keys() != hints.keys():
        odd = sorted(hints.keys() ^ values.keys())[0] if isinstance(values, dict) else "no fields"
        raise ModelError(f"{fields.path} has a {name} that is not whole, or has more than it should: see {odd}.")
    try:
        checked: dict[str, Any] = {key: check(value, hints[key], f"{name}.{key}") for key, value in values.items()}
        for key, value in checked.items():
            if isinstance(value, int) and value > LARGEST.get(key, 2**24):
                raise UsageError(f"{name}.{key} is {value}, which is no size of a model.")
        return kind(**checked)
    except UsageError as error:
        raise ModelError(f"{fields.path}: {error}") from error
