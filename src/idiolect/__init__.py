"""idiolect: the whole life of a language model, from the first byte of text to a model that speaks.

    import idiolect
    idiolect.tokenize(["letters/"], kind="bpe", vocab_size=8000, out="tok")
    idiolect.encode(["letters/"], tokenizer="tok", out="tokens")
    model = idiolect.pretrain("tokens", steps=2000, out="model")
    print(model.complete("Dear", max_tokens=50))

Each verb is also a command: `idiolect tokenize letters/ --kind bpe --vocab-size 8000 --out tok`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idiolect.artifact import Artifact as Artifact
    from idiolect.data.tokens import Tokens as Tokens
    from idiolect.embeddings.documents import DocumentVectors as DocumentVectors
    from idiolect.embeddings.vectors import Vectors as Vectors
    from idiolect.language_model import LanguageModel as LanguageModel
    from idiolect.language_model import load as load
    from idiolect.recipes.optimisers import optimisers as optimisers
    from idiolect.report import Report as Report
    from idiolect.stages.analogy import analogy as analogy
    from idiolect.stages.autocomplete import autocomplete as autocomplete
    from idiolect.stages.compare import compare as compare
    from idiolect.stages.complete import complete as complete
    from idiolect.stages.convert import convert as convert
    from idiolect.stages.embed import embed as embed
    from idiolect.stages.encode import encode as encode
    from idiolect.stages.evaluate import evaluate as evaluate
    from idiolect.stages.export import export as export
    from idiolect.stages.fill import fill as fill
    from idiolect.stages.gather import gather as gather
    from idiolect.stages.inspect import inspect as inspect
    from idiolect.stages.lineage import lineage as lineage
    from idiolect.stages.neighbours import neighbours as neighbours
    from idiolect.stages.pretrain import pretrain as pretrain
    from idiolect.stages.prove import prove as prove
    from idiolect.stages.tokenize import tokenize as tokenize
    from idiolect.stages.verify import verify as verify
    from idiolect.text.corpus import Corpus as Corpus
    from idiolect.text_classifier import TextClassifier as TextClassifier
    from idiolect.tokenizers.base import Tokenizer as Tokenizer

__version__ = _version("idiolect")

_HOMES = {
    "Artifact": "artifact",
    "Corpus": "text.corpus",
    "DocumentVectors": "embeddings.documents",
    "LanguageModel": "language_model",
    "Report": "report",
    "TextClassifier": "text_classifier",
    "Tokenizer": "tokenizers.base",
    "Tokens": "data.tokens",
    "Vectors": "embeddings.vectors",
    "analogy": "stages.analogy",
    "autocomplete": "stages.autocomplete",
    "compare": "stages.compare",
    "complete": "stages.complete",
    "convert": "stages.convert",
    "embed": "stages.embed",
    "encode": "stages.encode",
    "evaluate": "stages.evaluate",
    "export": "stages.export",
    "fill": "stages.fill",
    "gather": "stages.gather",
    "inspect": "stages.inspect",
    "lineage": "stages.lineage",
    "load": "language_model",
    "neighbours": "stages.neighbours",
    "optimisers": "recipes.optimisers",
    "pretrain": "stages.pretrain",
    "prove": "stages.prove",
    "tokenize": "stages.tokenize",
    "verify": "stages.verify",
}
"""Where each public name lives. A name is imported when it is first used, so that `idiolect --help` need not wait
for torch."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'idiolect' has no attribute '{name}'")
    return getattr(import_module(f"idiolect.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
