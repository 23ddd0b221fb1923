"""The card of a model folder, its README.md: what the model is, how to use it, what to expect, and what was proved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from idiolect.disk import replace_file
from idiolect.errors import ArtifactError
from idiolect.evaluation.invariance import Proof
from idiolect.models.architectures.own import ARCHITECTURE
from idiolect.models.build import count_parameters
from idiolect.models.spec import Spec
from idiolect.tokenizers.base import Tokenizer

CARD = "README.md"
MARK = "library_name: idiolect"
"""What tells a card of this package from any other README."""

_PROVED = "\n## What was proved\n"

_GENERATES = """\
It continues text in the manner of the text it was trained on. It knows nothing else, states falsehoods as readily as
facts, repeats what was wrong or unfair in that text, and may give back passages of it word for word: share it as you
would share the text itself."""
_EMBEDS = """\
It makes vectors of text, and says which token stood at a masked place, as in the text it was trained on. What is wrong
or unfair in that text shows in both, and passages of it may be drawn out of it: share it as you would share the text
itself."""


_LABELS = """\
It gives labels to text as it was taught to, whatever the text: also where none of the labels fits. What is wrong or
unfair in the text it was trained on shows in them."""


def check_card(folder: Path) -> None:
    """Raises ArtifactError where a README.md that is not a card of this package would be lost."""
    card = folder / CARD
    if card.exists() and MARK not in card.read_text(encoding="utf-8", errors="replace"):
        raise ArtifactError(f"{card} is not a model card and would be lost: choose another folder.")


def card_of(spec: Spec, tokenizer: Tokenizer, architecture: str) -> str:
    """The card of a model.

    Args:
        spec: its shape.
        tokenizer: its own.
        architecture: the class in `transformers` that its folder names.
    """
    encoder = spec.family == "encoder"
    if spec.head is not None:
        pipeline, expected = f"{'token' if spec.head.pooling == 'each' else 'text'}-classification", _LABELS
    else:
        pipeline, expected = ("fill-mask", _EMBEDS) if encoder else ("text-generation", _GENERATES)
    theirs = "`transformers` reads the folder too (`AutoModel`, `AutoTokenizer`)."
    if architecture.endswith(("LMHeadModel", "ForCausalLM")):
        theirs = "`transformers` reads the folder too (`AutoModelForCausalLM`, `AutoTokenizer`)."
    for name in ("ForSequenceClassification", "ForTokenClassification"):
        if architecture.endswith(name):
            theirs = f"`transformers` reads the folder too (`AutoModel{name}`, `AutoTokenizer`)."
    if architecture == ARCHITECTURE:
        theirs = "`transformers` has no model of this shape; its tokenizer (`AutoTokenizer`) it reads."
    return f"""\
---
{MARK}
pipeline_tag: {pipeline}
tags:
- idiolect
- {spec.family}
---

# A language model made with idiolect

A model of kind {spec.family} with {count_parameters(spec):,} parameters: {spec.layers} layers of width {spec.dim},
trained on rows of {spec.context} tokens, and a {tokenizer.kind} tokenizer of {tokenizer.vocab_size:,} tokens.

```python
import idiolect

{_use(spec)}
```

{theirs}

## What to expect

{expected}
"""


def _use(spec: Spec) -> str:
    """Two lines of Python that use a model of this shape."""
    if spec.head is not None:
        call = 'tag([["Once", "upon"]])' if spec.head.pooling == "each" else 'classify(["Once"])'
        return f'model = idiolect.TextClassifier.load("this/folder")\nprint(model.{call})'
    call = 'embed(["Once"])' if spec.family == "encoder" else 'complete("Once", max_tokens=50)'
    return f'model = idiolect.load("this/folder")\nprint(model.{call})'


def add_start(folder: Path, sentence: str) -> None:
    """Say on the card of a model that has just been saved what its embeddings started from."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace("\n\n```python", f"\n{sentence}\n\n```python", 1), encoding="utf-8")


def add_proofs(folder: Path, proofs: Sequence[Proof]) -> bool:
    """Put what was proved onto the card, in place of what was proved before; False where the card is not ours."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    if MARK not in text:
        return False
    rows = [
        f"| {proof.what} | {proof.error:.1e} | {proof.tolerance:.0e} | {'yes' if proof.holds else '**no**'} |"
        for proof in proofs
    ]
    section = [
        "",
        "Differences relative to the root mean square, on random tokens (`idiolect prove`).",
        "",
        "| | largest error | tolerance | holds |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    try:
        replace_file(card, (text.split(_PROVED)[0] + _PROVED + "\n".join(section)).encode())
    except OSError as error:
        raise ArtifactError(f"{card} cannot be written ({error.strerror}).") from error
    return True
