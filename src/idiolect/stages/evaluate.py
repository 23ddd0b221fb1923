"""`evaluate`: how well a model predicts a text, beside an n-gram model and general compressors; or word vectors (a
model's own too) on analogies, similarity, and how far words moved from an older set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idiolect.artifact import Artifact, Provenance, Recipe
from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.data.tokens import Tokens, TokenStream
from idiolect.embeddings.analogies import Method
from idiolect.embeddings.vectors import ABOUT
from idiolect.errors import ArtifactError, UsageError
from idiolect.evaluation.comparison import Comparison, compare
from idiolect.evaluation.drift import MIN_COUNT
from idiolect.evaluation.word_analogies import RESTRICT
from idiolect.evaluation.word_questions import WordScores, ask, drift_table, interval, percent, verdict
from idiolect.journal import say
from idiolect.language_model import LanguageModel
from idiolect.making import check_target, create
from idiolect.model_folder import is_model
from idiolect.report import number
from idiolect.stages.asking import Asked, files_provenance, provenance
from idiolect.stages.page import close_page, page
from idiolect.stages.vectors_page import vectors_page
from idiolect.text.settings import ReadingSettings


@dataclass(frozen=True)
class QuestionSettings:
    """Word vectors."""

    analogies: tuple[Path, ...] = ()
    """Files of analogy questions such as questions-words.txt: lines "a b c d" below lines ": section"."""
    similarity: tuple[Path, ...] = ()
    """Files of word pairs with people's scores, such as EN-WS-353-ALL.txt or SimLex-999.txt."""
    against: Path | None = None
    """An older set of vectors: which words have moved since?"""
    control: tuple[Path, ...] = ()
    """Two sets of vectors that ought to be the same, best of all the text dealt at random into two parts as large as
    the two texts: how far words move between them is noise. One alone is held against the vectors, such as of the same
    text by another seed."""
    min_count: int = MIN_COUNT
    """Words met less often in either of the sets that are compared are not asked whether they moved."""
    restrict: int = RESTRICT
    """Only so many of the most frequent words are asked about and may answer; 0: all."""
    match_case: bool = False
    """Tell capitals apart in the questions."""
    method: Method = "3CosAdd"
    """How analogies are answered."""
    embeddings: Literal["input", "output"] = "input"
    """Of a model folder: the vectors its tokens are read as, or those its head compares with."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        if self.restrict < 0:
            raise UsageError(f"restrict must be at least 0, not {self.restrict}.")
        if self.min_count < 1:
            raise UsageError(f"min_count must be at least 1, not {self.min_count}.")
        if self.control and self.against is None:
            raise UsageError("A control is for what moved: give an older set of vectors by --against.")
        if len(self.control) > 2:
            raise UsageError(f"A control is two sets of vectors, or one, not {len(self.control)}.")


@dataclass(frozen=True)
class EvaluateSettings(QuestionSettings, ReadingSettings):
    """Evaluation."""

    split: Literal["all", "train", "validation", "test"] = "all"
    """Which part of the text to measure on."""
    threads: int | None = None
    """Processor threads; unset: the machine's cores."""

    @property
    def asks_words(self) -> bool:
        """Whether there are questions about words."""
        return bool(self.analogies or self.similarity or self.against)


@verb
def evaluate(
    model: Path, settings: EvaluateSettings, texts: Sequence[str] = (), *, out: Path | None = None, force: bool = False
) -> Comparison | WordScores:
    """Measure a model on a text: loss, perplexity, bits per byte; or word vectors on questions about words.

    The n-gram yardstick needs the tokens that the model was trained on, where its lineage says they are. A model folder
    without texts is asked about words as vectors are, by its embeddings.

    Example:
        >>> idiolect.evaluate("model", ["letters/"], split="test").model.bits_per_byte
        >>> idiolect.evaluate("vectors", analogies=["questions-words.txt"]).analogies[0].total.share
    """
    compute = set_up(settings.threads)
    if settings.asks_words or not (texts or is_model(model)):
        if texts:
            raise UsageError("Texts and questions about words are measured apart: give one of the two.")
        return _words(model, settings, out, force)
    if not texts:
        raise UsageError(f"{model} is measured on texts, or by --analogies, --similarity and --against: give some.")
    if not is_model(model) and (model / ABOUT).is_file():
        raise UsageError(f"{model} has word vectors: they are measured by --analogies, --similarity and --against.")
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


def _words(path: Path, settings: EvaluateSettings, out: Path | None, force: bool) -> WordScores:
    """Measure vectors, or a model's embeddings, on questions about words."""
    if not settings.asks_words and out is None:
        raise UsageError(
            "There is nothing to measure: give --analogies, --similarity or --against, or --out for a page."
        )
    vectors = Asked.open(path, settings.embeddings).words
    if out is not None:
        parents: dict[str, Provenance] = {"vectors": provenance(path)}
        for role, files in (("analogies", settings.analogies), ("similarity", settings.similarity)):
            if files:
                parents[role] = files_provenance("text", list(files), role)
        if settings.against is not None:
            parents["against"] = provenance(settings.against)
        parents |= {f"control {number}": provenance(path) for number, path in enumerate(settings.control, 1)}
        recipe = Recipe("report", settings, parents)
        check_target(out, recipe, force=force, resume=False)
    controls = [Asked.open(control, settings.embeddings).words for control in settings.control]
    scores = ask(
        vectors,
        analogies=settings.analogies,
        similarity=settings.similarity,
        against=None if settings.against is None else Asked.open(settings.against, settings.embeddings).words,
        control=(controls[0], controls[1] if len(controls) > 1 else vectors) if controls else None,
        min_count=settings.min_count,
        restrict=settings.restrict,
        fold=not settings.match_case,
        method=settings.method,
    )
    _print_words(scores)
    if out is not None:
        with create(out, recipe, force=force) as folder:
            (folder / "evaluation.json").write_text(json.dumps(asdict(scores), indent=2), encoding="utf-8")
            report = page(recipe, out, f"{path.name}: {len(vectors):,} words of {vectors.dim} dimensions")
            report.figures_of_merit(scores.merits())
            scores.describe(report)
            vectors_page(report, vectors)
            close_page(report, recipe, out).write(folder / "report.html")
        say(f"The report is {out / 'report.html'}.")
    return scores


def _print_words(scores: WordScores) -> None:
    """The figures on standard output."""
    console = Console(highlight=False)
    for file in scores.analogies:
        table = Table(file.file, "correct", "asked", "of", "accuracy", box=None, pad_edge=False)
        for row in [*file.sections, file.semantic, file.syntactic, file.total]:
            table.add_row(
                Text(row.name), str(row.correct), str(row.asked), str(row.questions), percent(row.share) or "–"
            )
        console.print(table)
    if scores.similarity:
        table = Table("pairs", "Spearman", "95% interval", "pairs there", "of", box=None, pad_edge=False)
        for one in scores.similarity:
            table.add_row(Text(one.file), number(one.spearman), interval(one.interval), str(one.pairs), str(one.of))
        console.print(table)
    if scores.drift is not None:
        names, rows = drift_table(scores.drift.most)
        table = Table("moved most", *names, "before", "after", box=None, pad_edge=False)
        for cells in rows:
            table.add_row(*(Text(number(cell)) for cell in cells))
        console.print(table)
        half = f"Half of {scores.drift.words:,} words moved by less than {scores.drift.median:.3f}."
        console.print(half, verdict(scores.drift))


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
    ngram = comparison.baselines.ngram if comparison.baselines is not None else None
    for name, bits in comparison.rows():
        found = scores.get(name, ngram if "gram" in name else None)
        own = [f"{found.perplexity:.2f}", f"{found.loss:.4f}"] if found else ["", ""]
        table.add_row(name, f"{bits:.4f}", *own)
    Console(highlight=False).print(table)
    if not has_training:
        say("The n-gram yardstick is left out: the tokens this model was trained on are not here.")
