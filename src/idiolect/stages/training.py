"""A training as an artifact, which stages share: train, or go on; save the model; measure it; set its page."""

from __future__ import annotations

from pathlib import Path

from idiolect.artifact import Artifact, Recipe
from idiolect.compute import Compute, forget_peak
from idiolect.evaluation.comparison import Comparison, baselines_on_tokens, score_on_tokens
from idiolect.language_model import LanguageModel
from idiolect.making import create
from idiolect.model_card import add_start
from idiolect.pretraining.page import learning_page
from idiolect.pretraining.run import Prepared, Trained, prepare
from idiolect.pretraining.settings import PretrainSettings
from idiolect.stages.asking import provenance
from idiolect.stages.page import close_page, page
from idiolect.train.loop import Run


def recipe_of(tokens: Artifact, settings: PretrainSettings) -> Recipe:
    """What a model is made from: tokens, and what its embeddings start from."""
    parents = {"tokens": tokens.provenance()}
    if settings.embeddings is not None:
        parents["embeddings"] = provenance(settings.embeddings)
    return Recipe("model", settings, parents)


def train(
    tokens: Path, recipe: Recipe, settings: PretrainSettings, compute: Compute, out: Path, *, force: bool = False
) -> tuple[LanguageModel, Run]:
    """Train a model and make an artifact of it; one that was begun at `out` goes on.

    Under `torchrun` all processes train, and the first one writes.

    Raises:
        Interrupted: it was asked to stop; what it had done is saved.
        ArtifactError: `out` is something else.
        CorpusError, TokenizerError, UsageError: as `prepare`.
    """
    held = forget_peak()
    prepared = prepare(tokens, settings, compute)
    speaker = prepared.task.speaker
    with create(out, recipe, force=force, resume=True, leads=compute.leads) as folder:
        compute.wait()
        run = prepared.fit(folder)
        if compute.leads:
            speaker.save(folder)
            if prepared.task.start is not None:
                add_start(folder, f"In training, {prepared.task.start}")
            comparison = _measured(prepared) if settings.model != "encoder" else None
            memory = None if held is None else run.memory_bytes - held
            Trained(run, comparison.model if comparison else None, memory).save(folder)
            subtitle = f"A model of kind {settings.model} with {prepared.parameters:,} parameters, {run.steps:,} steps"
            report = page(recipe, out, subtitle)
            learning_page(report, prepared, run, folder, comparison)
            close_page(report, recipe, out).write(folder / "report.html")
    compute.wait()
    return speaker, run


def _measured(prepared: Prepared) -> Comparison:
    """The model's score on the validation text, and that of its yardsticks where they are wanted."""
    speaker, tokens = prepared.task.speaker, prepared.tokens
    return Comparison(
        score_on_tokens(speaker.model, speaker.tokenizer, tokens),
        baselines_on_tokens(speaker.tokenizer, tokens) if prepared.settings.yardsticks else None,
    )
