"""Starting from vectors: what `--embeddings` names becomes the first values of a model's input embeddings.

Each row of a token that something is known of is set to its vector, with the standard deviation of the family's own
random start, or 1 / sqrt(dim) where that is less; the others keep their random start, and so does an untied head. (A
Transformer's tied start is 2 / dim, so that the first logits are near 0; but AdamW takes steps as large, and what the
vectors know would be gone within a few of them. Measured: docs/log.md.) All processes of a group make the same rows,
and a run that goes on takes them from its checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from idiolect.embeddings.of_models import token_names, whole_words
from idiolect.embeddings.starting import NGRAMS, PIECE, UNKNOWN, WORD, Start, starting_rows
from idiolect.embeddings.vectors import Vectors
from idiolect.language_model import LanguageModel
from idiolect.model_folder import is_model
from idiolect.models.model import Model
from idiolect.models.recurrent import Recurrent
from idiolect.models.transformer import Transformer
from idiolect.report import Report
from idiolect.tokenizers.base import Tokenizer

_EXAMPLES: Final = 16


@torch.no_grad()
def start_from(path: Path | None, model: Model, tokenizer: Tokenizer, seed: int) -> Start | None:
    """Set the input embeddings of a model that has its random start.

    Args:
        path: what `Vectors.load` takes, or a model folder, whose input embeddings are meant; None: nothing is done.
        model: with `init_weights` behind it; in place.
        tokenizer: that of the tokens; tokens that the model has beyond them keep their random start.
        seed: of the turn where the widths differ.

    Raises:
        UsageError: as `starting_rows`.
        VectorsError: as `starting_rows`, or the path is neither vectors nor a model, or is damaged.
    """
    if path is None:
        return None
    start = starting_rows(read_start(path, tokenizer), tokenizer, model.spec.dim, seed=seed)
    assert isinstance(model, Transformer | Recurrent), "every family has embeddings"
    weight_VM = model.embed_tokens.weight
    spread = weight_VM.square().mean().sqrt().clamp(min=model.spec.dim**-0.5)
    known = torch.from_numpy((start.known != UNKNOWN).nonzero()[0])
    weight_VM[known] = (torch.from_numpy(start.rows)[known] * spread).to(weight_VM)
    return start


def read_start(path: Path, tokenizer: Tokenizer) -> Vectors:
    """Vectors, or the input embeddings of a model: of the tokens it shares, or where its tokenizer is another, of those
    of its tokens that are words."""
    if not is_model(path):
        return Vectors.load(path)
    other = LanguageModel.load(path)
    vectors = other.vectors("input")
    shared = min(other.tokenizer.vocab_size, tokenizer.vocab_size)
    if token_names(other.tokenizer, shared) == token_names(tokenizer, shared):
        vectors.tokenizer = tokenizer.fingerprint()
        return vectors
    return whole_words(vectors)


def describe_start(report: Report, start: Start, tokenizer: Tokenizer) -> None:
    """Say on a page what the embeddings started from, with the most frequent tokens of each kind."""
    report.section("Embeddings at the start")
    report.text(str(start))
    names = token_names(tokenizer, len(start.known))
    said = {
        WORD: "from their own vectors" if start.own else "as words",
        PIECE: "as pieces of words",
        NGRAMS: "by their n-grams",
        UNKNOWN: "at random",
    }
    rows: list[list[object]] = []
    for how, name in said.items():
        tokens = (start.known == how).nonzero()[0].tolist()
        if tokens:
            named = [names[token] for token in tokens]
            telling = [one for one in named if len(one) > 1 and not one.startswith("\\x")] or named
            rows.append([name, len(tokens), ", ".join(telling[:_EXAMPLES]) + " …" * (len(telling) > _EXAMPLES)])
    report.table(
        ["tokens that start", "how many", "the first of them"],
        rows,
        caption="A token that is more often a whole word than a piece of longer ones starts from the word's vector, "
        "another from the mean of the words it is a piece of.",
    )
