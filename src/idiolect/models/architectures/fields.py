"""The fields of a `config.json`, read strictly.

Every field is one that is read, one that must have the only value this package computes with, or one that is known not
to change the arithmetic. A field of no such kind could mean a different model, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from idiolect.errors import ModelError

LARGEST = {"context": 2**20}
"""Sizes beyond these, or 2^24, are a damaged or hostile file, and would only exhaust the memory."""

HARMLESS = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "dtype", "torch_dtype"),
    *("initializer_range", "use_cache", "transformers_version", "_name_or_path", "return_dict", "output_hidden_states"),
    *("output_attentions", "is_encoder_decoder", "is_decoder", "add_cross_attention", "task_specific_params"),
    *("finetuning_task", "id2label", "label2id", "problem_type", "chunk_size_feed_forward", "gradient_checkpointing"),
    *("num_labels", "_num_labels", "output_past", "pruned_heads", "tokenizer_class", "cross_attention_hidden_size"),
    *("auto_map_", "idiolect", "bad_words_ids"),
)
"""Fields of any architecture that do not change the logits."""

Choice = TypeVar("Choice")


class Fields:
    """A `config.json` of which every field must be accounted for.

    Raises:
        ModelError: from every method, with the file and the field, where the value is none that can be read.

    Example:
        >>> fields = Fields(Path("model/config.json"), {"n_embd": 128, "odd": 1})
        >>> fields.size("n_embd")
        128
        >>> fields.finish()        # raises: the field odd is unknown here
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self._config = config
        self._read: set[str] = set()

    @property
    def model_type(self) -> str:
        """Which architecture it is, in the word of Hugging Face."""
        return str(self.value("model_type"))

    def architecture(self, *known: str) -> str:
        """The class of the model in `transformers`: one of those known for its model type."""
        names = self.value("architectures")
        if not isinstance(names, list) or len(names) != 1 or names[0] not in known:
            readable = " or ".join(json.dumps([name]) for name in known)
            raise ModelError(
                f"{self.path} has architectures {json.dumps(names)}; with model_type {json.dumps(self.model_type)} "
                f"only {readable} can be read."
            )
        return str(names[0])

    def value(self, field: str, default: Any = ...) -> Any:
        """The value as it stands; `default` where there is none."""
        self._read.add(field)
        if field in self._config:
            return self._config[field]
        if default is ...:
            raise ModelError(f"{self.path} does not say its {field}.")
        return default

    def size(self, field: str, default: int | None = None, *, largest: int = 2**24) -> int:
        """A whole number of at least 1; `default` where it is absent or null."""
        value = self.value(field, None)
        value = default if value is None else value
        if type(value) is not int or not 1 <= value <= largest:
            raise ModelError(
                f"{self.path} must have {field}, a whole number from 1 to {largest}, not {json.dumps(value)}."
            )
        return value

    def number(self, field: str, default: float | None = None) -> float:
        """A number of at least 0."""
        return self.as_number(field, self.value(field, default))

    def as_number(self, field: str, value: object) -> float:
        """The same of a value found elsewhere, called `field` in the error."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise ModelError(f"{self.path} must have {field}, a number from 0 to 1e12, not {json.dumps(value)}.")
        return float(value)

    def flag(self, field: str, default: bool | None = None) -> bool:
        """True or false."""
        value = self.value(field, default)
        if not isinstance(value, bool):
            raise ModelError(f"{self.path} must have {field}, true or false, not {json.dumps(value)}.")
        return value

    def choice(self, field: str, choices: dict[str, Choice], default: str | None = None) -> Choice:
        """What one of several words stands for."""
        value = self.value(field, default)
        if not isinstance(value, str) or value not in choices:
            known = " or ".join(map(json.dumps, choices))
            raise ModelError(f"{self.path} has {field} {json.dumps(value)}; only {known} can be read.")
        return choices[value]

    def fixed(self, **only: Any) -> None:
        """Fields that must have just this value, and when they are absent mean it."""
        for field, wanted in only.items():
            value = self.value(field, wanted)
            if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
                raise ModelError(f"{self.path} has {field} {json.dumps(value)}; only {json.dumps(wanted)} can be read.")

    def own(self) -> dict[str, Any]:
        """What this package keeps under "idiolect", where others do not look."""
        own = self.value("idiolect", {})
        if not isinstance(own, dict) or own.keys() - {"dropout", "tokenizer_fingerprint"}:
            raise ModelError(f"{self.path} has the field idiolect with something unknown here in it.")
        return own

    def finish(self, harmless: Sequence[str] = ()) -> None:
        """Refuse a field that nobody has asked for and that is not among the harmless ones."""
        unknown = sorted(self._config.keys() - self._read - {*HARMLESS, *harmless})
        if unknown:
            raise ModelError(
                f"{self.path} has the field {unknown[0]}, which is unknown here; remove it if the logits do not "
                "depend on it."
            )


def dropout_of(fields: Fields, default: float = 0.0) -> float:
    """The share of units dropped in training, as this package keeps it beside what others read."""
    return fields.as_number("dropout", fields.own().get("dropout", default))
