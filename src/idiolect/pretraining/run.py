"""A training from nothing: read the tokens and check everything, then learn. What the verbs that train share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from idiolect.compute import Compute, Precision, choose_precision
from idiolect.data.tokens import Tokens
from idiolect.disk import write_durably
from idiolect.errors import CorpusError, TokenizerError
from idiolect.evaluation.perplexity import Score
from idiolect.journal import amount, duration, say
from idiolect.models.build import count_parameters
from idiolect.pretraining.masked_tokens import masked_tokens
from idiolect.pretraining.next_token import next_token
from idiolect.pretraining.settings import PretrainSettings
from idiolect.pretraining.task import Task
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.forecast import Forecast
from idiolect.train.loop import Run, fit, pace


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
        if task.start is not None:
            say(str(task.start))
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

    def pace(self, seconds: float) -> float:
        """Seconds that an update takes, as measured for about so long, after an evaluation. The model is of no use
        afterwards, but what the machine needs for models of this kind is loaded."""
        if self.compute.leads:
            self.task.evaluate(False)
        task = self.task
        return pace(
            task.speaker.model,
            task.rows,
            task.objective,
            self.settings,
            compute=self.compute,
            precision=self.precision,
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training, as `run.json` in its folder keeps it."""

    run: Run
    score: Score | None
    """Of the validation text; an encoder has none."""
    memory_bytes: int | None
    """The most that was held beyond what the process held before, weights included; None where the system does not
    tell."""

    def save(self, folder: Path) -> None:
        """Keep it beside the model."""
        write_durably(folder / "run.json", json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` kept."""
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        run, score = record["run"], record["score"]
        forecast = None if run["forecast"] is None else Forecast(**run["forecast"])
        return cls(
            Run(**{**run, "forecast": forecast}),
            None if score is None else Score(**score),
            record["memory_bytes"],
        )


def prepare(tokens: Path, settings: PretrainSettings, compute: Compute) -> Prepared:
    """Read tokens and make the model that is to learn from them.

    Raises:
        TokenizerError: the tokenizer beside the tokens is not theirs.
        CorpusError: a text is too short, or its shards are damaged.
        UsageError: a model that cannot be, or vectors that it cannot start from.
        VectorsError: these are damaged, or of another tokenizer's tokens.
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
