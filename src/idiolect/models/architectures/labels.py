"""Heads that give labels, as the folders of others tell of them: the class, the labels' names, the name of the matrix.

| class                                       | reads                         | its matrix                         |
|---------------------------------------------|-------------------------------|------------------------------------|
| BertForSequenceClassification               | the first position, pooled    | classifier                         |
| RobertaForSequenceClassification            | the same, by a pooler of its own | classifier.dense, -.out_proj    |
| Llama-, Mistral-, Qwen-, GPT2ForSequence…   | the last that is not padding  | score, without biases              |
| …ForTokenClassification                     | each position                 | classifier; score of Llama's kind  |

What padding is, their decoders find by the id `pad_token_id`, so that it is always written; here the batch says it.
"""

from __future__ import annotations

import json
from typing import Any

from idiolect.errors import ModelError
from idiolect.models.architectures.fields import Fields
from idiolect.models.spec import HeadSpec

TEXTS, TOKENS = "ForSequenceClassification", "ForTokenClassification"


def classes(prefix: str) -> tuple[str, str]:
    """The classes of an architecture that give labels: of texts, and of tokens."""
    return prefix + TEXTS, prefix + TOKENS


def read(fields: Fields, name: str, *, encoder: bool) -> HeadSpec | None:
    """The head of a class; None where it gives no labels."""
    if not name.endswith((TEXTS, TOKENS)):
        return None
    if fields.value("problem_type", None) not in (None, "single_label_classification"):
        raise ModelError(
            f"{fields.path} has problem_type {json.dumps(fields.value('problem_type'))}; only a model that gives one "
            "label of several can be read."
        )
    if name.endswith(TOKENS):
        return HeadSpec(_labels(fields), pooling="each")
    return HeadSpec(_labels(fields), pooling="cls" if encoder else "last", bias=encoder)


def _labels(fields: Fields) -> tuple[str, ...]:
    """The labels' names, by their number; where none are told they are numbered, as everywhere else."""
    count = fields.size("num_labels", fields.size("_num_labels", 2, largest=2**16), largest=2**16)
    names = fields.value("id2label", None)
    if names is None:
        return tuple(f"LABEL_{number}" for number in range(count))
    numbered = [str(number) for number in range(len(names))] if isinstance(names, dict) else []
    if not numbered or names.keys() != set(numbered) or not all(isinstance(name, str) for name in names.values()):
        raise ModelError(f"{fields.path} must have id2label, a name for each number from 0 on.")
    return tuple(names[number] for number in numbered)


def written(head: HeadSpec | None, prefix: str, without: str, *, encoder: bool) -> dict[str, Any] | None:
    """The fields that tell the class, and a head's labels; None where no class of the architecture has such a head.

    Args:
        head: the model's; None: it gives tokens.
        prefix: what the architecture's classes begin with.
        without: the class without labels.
        encoder: whether the architecture is one.
    """
    if head is None:
        return {"architectures": [without]}
    match head.pooling, head.bias:
        case ("each", True):
            name = prefix + TOKENS
        case ("cls", True) if encoder:
            name = prefix + TEXTS
        case ("last", False) if not encoder:
            name = prefix + TEXTS
        case _:
            return None
    return {
        "architectures": [name],
        "id2label": {str(number): label for number, label in enumerate(head.labels)},
        "label2id": {label: number for number, label in enumerate(head.labels)},
    }


def matrix(model_type: str, head: HeadSpec) -> str:
    """What the matrix is called in a file."""
    match model_type, head.pooling:
        case ("bert", _) | ("roberta" | "gpt2", "each"):
            return "classifier"
        case ("roberta", _):
            return "classifier.out_proj"
        case _:
            return "score"
