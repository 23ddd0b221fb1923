"""`pretrain`: a language model from tokens. From here on the weights mean something."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from idiolect.artifact import Artifact, Recipe, check_target, create, unchanged
from idiolect.compute import Compute, Precision, choose_precision, set_up, tear_down
from idiolect.config import verb
from idiolect.data.rows import EvaluationRows, TrainingRows
from idiolect.data.tokens import Tokens
from idiolect.errors import CorpusError, TokenizerError, UsageError
from idiolect.evaluation.comparison import Comparison, compare_on_tokens
from idiolect.figures import LineChart, Series
from idiolect.journal import read_metrics, say
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.objectives.likelihood import Likelihood
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.forecast import amount, duration
from idiolect.train.loop import Run, fit
from idiolect.train.plan import Plan

SAMPLE_TOKENS = 60
"""Length of the samples that are drawn at evaluations."""


@dataclass(frozen=True)
class PretrainSettings(Plan):
    """Model."""

    model: Literal["decoder"] = "decoder"
    """Family: a decoder predicts each token from those before it."""
    layers: int = 4
    """Blocks of attention and feed-forward."""
    heads: int = 4
    """Heads of attention in each block."""
    kv_heads: int = 0
    """Heads of keys and values, each shared by a group of query heads. 0: as many as heads."""
    dim: int = 128
    """Width of the hidden states."""
    head_dim: int = 0
    """Width of a head. 0: dim divided by heads."""
    mlp_dim: int = 0
    """Width inside the feed-forward layer. 0: 8/3 of dim in steps of 8, as many weights as 4 times dim ungated."""
    context: int = 256
    """Longest row, in tokens: how far back the model can look."""
    rope_theta: float = 10000.0
    """Base of the rotary positions' wavelengths."""
    tied: bool = True
    """One matrix for the input embeddings and the output head."""
    dropout: float = 0.0
    """Probability of dropping a unit of each block's output, in training."""
    across_documents: bool = False
    """Let attention cross from one document to the next in a row."""
    prompt: str = ""
    """Start of the samples drawn at evaluations. Unset: the start of the validation text."""
    yardsticks: bool = True
    """Compare with an n-gram model, xz and bz2 on the validation text, in the report."""

    def spec(self, vocab_size: int) -> TransformerSpec:
        """The shape these settings ask for. Raises UsageError when it cannot be."""
        if self.heads < 1 or (not self.head_dim and self.dim % self.heads):
            raise UsageError(f"heads ({self.heads}) must divide dim ({self.dim}), or --head-dim must be given.")
        return TransformerSpec(
            vocab_size=vocab_size,
            context=self.context,
            layers=self.layers,
            heads=self.heads,
            kv_heads=self.kv_heads or self.heads,
            dim=self.dim,
            head_dim=self.head_dim or self.dim // self.heads,
            mlp_dim=self.mlp_dim or -(-self.dim // 3) * 8,
            rope_theta=self.rope_theta,
            tied=self.tied,
            dropout=self.dropout,
        )


@verb
def pretrain(tokens: Path, settings: PretrainSettings, *, out: Path, force: bool = False) -> LanguageModel:
    """Train a language model on tokens.

    Stopped at any instant, the same command resumes it exactly. Under torchrun the processes share each batch.

    Example:
        >>> model = idiolect.pretrain("tokens", layers=4, dim=128, steps=2000, out="model")
        >>> print(model.complete("Dear", max_tokens=50))
    """
    made = Artifact.open(tokens, "tokens")
    recipe = Recipe("model", settings, {"tokens": made.provenance()})
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return LanguageModel.load(out)
    check_target(out, recipe, force=force, resume=True)  # before the long part
    compute = set_up(settings.threads)
    try:
        return _pretrain(tokens, recipe, settings, compute, out, force)
    finally:
        tear_down()


def _pretrain(
    tokens: Path, recipe: Recipe, settings: PretrainSettings, compute: Compute, out: Path, force: bool
) -> LanguageModel:
    read = Tokens.load(tokens)
    tokenizer = Tokenizer.load(tokens)
    if tokenizer.fingerprint() != read.header.fingerprint:
        raise TokenizerError(f"The tokenizer in {tokens} is not the one its tokens were made with: encode again.")
    training, validation = read.split("train"), read.split("validation")
    if len(validation) < 2:
        raise CorpusError(f"The validation text in {tokens} is a single token: encode more text.")
    for stream in (training, validation):
        stream.verify()
    spec = settings.spec(tokenizer.vocab_size)
    rows = TrainingRows(training, spec.context, settings.seed, across_documents=settings.across_documents)
    model = build(spec)
    model.init_weights(settings.seed)
    model.to(compute.device)
    precision = choose_precision(settings.precision, compute.device, settings.dim)
    speaker = LanguageModel(model, tokenizer)
    prompt = settings.prompt or tokenizer.decode(validation.read(0, 9).tolist())
    tokenizer.encode(prompt)  # refused now rather than at the first evaluation

    def evaluate(final: bool) -> Mapping[str, float | str]:
        most = None if final or not settings.evaluate_tokens else settings.evaluate_tokens
        held_out = EvaluationRows(
            validation,
            settings.context,
            settings.batch,
            across_documents=settings.across_documents,
            most_tokens=most,
        )
        sample = speaker.complete(prompt, max_tokens=SAMPLE_TOKENS, seed=settings.seed)
        return {"val_loss": mean_loss(model, held_out, compute, precision), "sample": sample}

    parameters = sum(parameter.numel() for parameter in model.parameters())
    with create(out, recipe, force=force, resume=True, leads=compute.leads) as folder:
        compute.wait()
        say(
            f"Training a {settings.model} of {parameters:,} parameters on {len(training):,} tokens in {precision}, "
            f"{compute.threads} threads" + (f" in each of {compute.world} processes." if compute.world > 1 else ".")
        )
        run = fit(
            model,
            rows,
            Likelihood(),
            settings,
            compute=compute,
            precision=precision,
            folder=folder,
            evaluate=evaluate,
        )
        model.eval()
        if compute.leads:
            speaker.save(folder)
            comparison = compare_on_tokens(model, tokenizer, read) if settings.yardsticks else None
            report = _report(speaker, run, folder, prompt, comparison, recipe, out)
            report.write(folder / "report.html")
    compute.wait()
    say(f"Trained in {duration(run.seconds)} to a validation loss of {run.val_loss:.4f}.{_held(run)} {out} is ready.")
    return speaker


def mean_loss(model: Model, rows: EvaluationRows, compute: Compute, precision: Precision) -> float:
    """The mean loss over held-out rows, in nats for each token."""
    objective, nats, weight = Likelihood(), 0.0, 0.0
    model.eval()
    with torch.inference_mode(), compute.autocast(precision):
        for batch in rows:
            nats += float(objective(model, batch.to(compute.device)))
            weight += batch.weight
    return nats / weight


def _held(run: Run) -> str:
    """How the forecast held, in a sentence."""
    if run.forecast is None:
        return ""
    return (
        f" The forecast was {duration(run.forecast.seconds)} and {amount(run.forecast.memory_bytes)} of memory; "
        f"it took {duration(run.seconds)} and {amount(run.memory_bytes)}."
    )


def _report(
    speaker: LanguageModel,
    run: Run,
    folder: Path,
    prompt: str,
    comparison: Comparison | None,
    recipe: Recipe,
    out: Path,
) -> Report:
    """The page of a trained model: how it learnt, what it says, what it is measured against."""
    lines = read_metrics(folder)
    parameters = sum(parameter.numel() for parameter in speaker.model.parameters())
    steps = [line["step"] for line in lines]
    speeds = [float(line["tokens_per_second"] or 0.0) for line in lines]
    report = page(recipe, out, f"A {speaker.spec.family} of {parameters:,} parameters, {run.steps:,} steps")
    report.figures_of_merit([("validation loss", round(run.val_loss, 4))])
    if comparison is not None:
        report.figures_of_merit([("bits per byte", round(comparison.model.bits_per_byte, 3))])
    report.figures_of_merit(
        [
            ("parameters", parameters),
            ("tokens/s", round(statistics.median(speeds))),
            ("training", duration(run.seconds)),
        ]
    )
    report.section("Learning")
    evaluated = [line for line in lines if line["val_loss"] is not None]
    report.chart(
        LineChart(
            "Loss",
            [
                Series("training", steps, [line["train_loss"] for line in lines], noisy=True),
                Series("validation", [line["step"] for line in evaluated], [line["val_loss"] for line in evaluated]),
            ],
            x_label="step",
            y_label="nats per token",
            caption="The mean of −log p(next token): training batches as they came, and the validation text.",
        )
    )
    report.chart(
        LineChart(
            "Learning rate",
            [Series("learning rate", steps, [line["learning_rate"] for line in lines])],
            x_label="step",
            caption="The highest of any group of parameters.",
        ),
        LineChart(
            "Throughput",
            [Series("tokens/s", steps, speeds, noisy=True)],
            x_label="step",
            y_label="tokens/s",
            from_zero=True,
            caption="Training tokens in a second, without evaluations.",
        ),
    )
    if comparison is not None:
        comparison.describe(report)
    report.section("Samples")
    report.samples([(f"step {line['step']:,}", prompt, str(line["sample"])) for line in evaluated])
    if run.forecast is not None:
        report.section("Forecast")
        on_disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        report.table(
            ["", "forecast", "measured"],
            [
                ["time", duration(run.forecast.seconds), duration(run.seconds)],
                ["memory", amount(run.forecast.memory_bytes), amount(run.memory_bytes)],
                ["disk", amount(run.forecast.disk_bytes), amount(on_disk)],
            ],
            caption="What was said before the first step, and what the training needed.",
        )
    return close_page(report, recipe, out)
