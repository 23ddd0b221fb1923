"""`pretrain`: a language model from tokens. From here on the weights mean something."""

from __future__ import annotations

from pathlib import Path

from idiolect.artifact import Artifact, Recipe, check_target, create, unchanged
from idiolect.compute import Compute, set_up, tear_down
from idiolect.config import verb
from idiolect.evaluation.comparison import compare_on_tokens
from idiolect.journal import say
from idiolect.language_model import LanguageModel
from idiolect.pretraining.page import learning_page
from idiolect.pretraining.run import as_forecast, prepare
from idiolect.pretraining.settings import PretrainSettings
from idiolect.stages.page import close_page, page
from idiolect.train.forecast import duration


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
    prepared = prepare(tokens, settings, compute)
    speaker = prepared.task.speaker
    with create(out, recipe, force=force, resume=True, leads=compute.leads) as folder:
        compute.wait()
        run = prepared.fit(folder)
        if compute.leads:
            speaker.save(folder)
            comparison = None
            if settings.yardsticks and settings.model != "encoder":
                comparison = compare_on_tokens(speaker.model, speaker.tokenizer, prepared.tokens)
            subtitle = f"A model of kind {settings.model} with {prepared.parameters:,} parameters, {run.steps:,} steps"
            report = page(recipe, out, subtitle)
            learning_page(report, prepared, run, folder, comparison)
            close_page(report, recipe, out).write(folder / "report.html")
    compute.wait()
    reached = f"Trained in {duration(run.seconds)} to a validation loss of {run.val_loss:.4f}."
    say(f"{reached}{as_forecast(run)} {out} is ready.")
    return speaker
