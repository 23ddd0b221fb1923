"""`pretrain`: a language model from tokens. From here on the weights mean something."""

from __future__ import annotations

from pathlib import Path

from idiolect.artifact import Artifact
from idiolect.compute import set_up, tear_down
from idiolect.config import verb
from idiolect.journal import duration, say
from idiolect.language_model import LanguageModel
from idiolect.making import check_target, unchanged
from idiolect.pretraining.run import as_forecast
from idiolect.pretraining.settings import PretrainSettings
from idiolect.stages.training import recipe_of, train


@verb
def pretrain(tokens: Path, settings: PretrainSettings, *, out: Path, force: bool = False) -> LanguageModel:
    """Train a language model on tokens.

    Stopped at any instant, the same command resumes it exactly. Under torchrun the processes share each batch.

    Example:
        >>> model = idiolect.pretrain("tokens", layers=4, dim=128, steps=2000, out="model")
        >>> print(model.complete("Dear", max_tokens=50))
    """
    settings = settings.with_rates()
    recipe = recipe_of(Artifact.open(tokens, "tokens"), settings)
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return LanguageModel.load(out)
    check_target(out, recipe, force=force, resume=True)  # before the long part
    compute = set_up(settings.threads)
    try:
        speaker, run = train(tokens, recipe, settings, compute, out, force=force)
    finally:
        tear_down()
    reached = f"Trained in {duration(run.seconds)} to a validation loss of {run.val_loss:.4f}."
    say(f"{reached}{as_forecast(run)} {out} is ready.")
    return speaker
