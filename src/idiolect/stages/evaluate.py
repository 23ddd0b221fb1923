"""`evaluate`: how well a model predicts a text, beside an n-gram model and general compressors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from idiolect.artifact import Artifact, Recipe, check_target, create
from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.data.tokens import Tokens, TokenStream
from idiolect.errors import ArtifactError
from idiolect.evaluation.comparison import Comparison, compare
from idiolect.journal import say
from idiolect.language_model import LanguageModel
from idiolect.stages.page import close_page, page
from idiolect.text.settings import ReadingSettings


@dataclass(frozen=True)
class EvaluateSettings(ReadingSettings):
    """Evaluation."""

    split: Literal["all", "train", "validation", "test"] = "all"
    """Which part of the text to measure on."""
    threads: int | None = None
    """Processor threads; unset: the machine's cores."""


@verb
def evaluate(
    model: Path, texts: Sequence[str], settings: EvaluateSettings, *, out: Path | None = None, force: bool = False
) -> Comparison:
    """Measure a model on a text: loss, perplexity, and bits per byte beside its yardsticks.

    The n-gram yardstick needs the tokens that the model was trained on, where its lineage says they are.

    Example:
        >>> idiolect.evaluate("model", ["letters/"], split="test").model.bits_per_byte
    """
    compute = set_up(settings.threads)
    speaker = LanguageModel.load(model)
    speaker.model.to(compute.device)
    corpus = settings.corpus(texts)
    split = None if settings.split == "all" else settings.split
    if out is not None:
        made = Artifact.open(model, "model")
        recipe = Recipe("report", settings, {"model": made.provenance(), "corpus": corpus.provenance()})
        check_target(out, recipe, force=force, resume=False)  # before the long part
    training = _training_tokens(model, speaker)
    comparison = compare(speaker.model, speaker.tokenizer, lambda: corpus.documents(split), training)
    _print(comparison, training is not None)
    if out is not None:
        with create(out, recipe, force=force) as folder:
            (folder / "evaluation.json").write_text(json.dumps(asdict(comparison), indent=2), encoding="utf-8")
            report = page(recipe, out, f"{model.name} on {', '.join(map(str, texts))} ({settings.split})")
            report.figures_of_merit(
                [
                    ("bits per byte", round(comparison.model.bits_per_byte, 4)),
                    ("perplexity", round(comparison.model.perplexity, 2)),
                    ("loss", round(comparison.model.loss, 4)),
                    ("tokens", comparison.model.tokens),
                ]
            )
            comparison.describe(report)
            close_page(report, recipe, out).write(folder / "report.html")
        say(f"The report is {out / 'report.html'}.")
    return comparison


def _training_tokens(model: Path, speaker: LanguageModel) -> TokenStream | None:
    """The training tokens of a model, if its lineage leads to them and they fit its tokenizer."""
    try:
        made = Artifact.open(model, "model").parent("tokens")
    except ArtifactError:  # a Hugging Face folder has no manifest
        return None
    if made is None:
        return None
    tokens = Tokens.load(made.path)
    return tokens.split("train") if tokens.header.fingerprint == speaker.tokenizer.fingerprint() else None


def _print(comparison: Comparison, has_training: bool) -> None:
    """The figures on standard output."""
    table = Table("", "bits per byte", "perplexity", "loss", box=None, pad_edge=False)
    scores = {"this model": comparison.model}
    for name, bits in comparison.rows():
        found = scores.get(name, comparison.ngram if "gram" in name else None)
        own = [f"{found.perplexity:.2f}", f"{found.loss:.4f}"] if found else ["", ""]
        table.add_row(name, f"{bits:.4f}", *own)
    Console(highlight=False).print(table)
    if not has_training:
        say("The n-gram yardstick is left out: the tokens this model was trained on are not here.")
