"""A training from nothing: read the tokens and check everything, then learn. What the verbs that train share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idiolect.compute import Compute, Precision, choose_precision
from idiolect.data.tokens import Tokens
from idiolect.errors import CorpusError, TokenizerError
from idiolect.journal import say
from idiolect.models.build import count_parameters
from idiolect.pretraining.masked_tokens import masked_tokens
from idiolect.pretraining.next_token import next_token
from idiolect.pretraining.settings import PretrainSettings
from idiolect.pretraining.task import Task
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.forecast import amount, duration
from idiolect.train.loop import Run, fit


@dataclass(frozen=True, slots=True)
class Prepared:
    """A training of which everything has been checked that can be before it starts."""

    settings: PretrainSettings
    tokens: Tokens
    task: Task
    compute: Compute
    precision: Precision

    @property
    def parameters(self) -> int:
        """Of the model."""
        return count_parameters(self.task.speaker.spec)

    def fit(self, folder: Path) -> Run:
        """Train the model in place; a run found in the folder goes on."""
        learnt, compute = len(self.tokens.split("train")), self.compute
        say(
            f"Training a model of kind {self.settings.model} with {self.parameters:,} parameters on {learnt:,} tokens "
            f"in {self.precision}, {compute.threads} threads"
            + (f" in each of {compute.world} processes." if compute.world > 1 else ".")
        )
        task = self.task
        run = fit(
            task.speaker.model,
            task.rows,
            task.objective,
            self.settings,
            compute=compute,
            precision=self.precision,
            folder=folder,
            evaluate=task.evaluate,
        )
        task.speaker.model.eval()
        return run


def prepare(tokens: Path, settings: PretrainSettings, compute: Compute) -> Prepared:
    """Read tokens and make the model that is to learn from them.

    Raises:
        TokenizerError: the tokenizer beside the tokens is not theirs.
        CorpusError: a text is too short, or its shards are damaged.
        UsageError: a model that cannot be.
    """
    read, tokenizer = Tokens.load(tokens), Tokenizer.load(tokens)
    if tokenizer.fingerprint() != read.header.fingerprint:
        raise TokenizerError(f"The tokenizer in {tokens} is not the one its tokens were made with: encode again.")
    training, validation = read.split("train"), read.split("validation")
    if len(validation) < 2:
        raise CorpusError(f"The validation text in {tokens} is a single token: encode more text.")
    for stream in (training, validation):
        stream.verify()
    precision = choose_precision(settings.precision, compute.device, settings.dim)
    task = masked_tokens if settings.model == "encoder" else next_token
    return Prepared(settings, read, task(read, tokenizer, settings, compute, precision), compute, precision)


def as_forecast(run: Run) -> str:
    """How the forecast held, in a sentence."""
    if run.forecast is None:
        return ""
    return (
        f" The forecast was {duration(run.forecast.seconds)} and {amount(run.forecast.memory_bytes)} of memory; "
        f"it took {duration(run.seconds)} and {amount(run.memory_bytes)}."
    )
