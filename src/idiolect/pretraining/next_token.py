"""Learning to predict the next token: decoders and recurrent networks."""

from __future__ import annotations

from collections.abc import Mapping

from idiolect.compute import Compute, Precision
from idiolect.data.rows import EvaluationRows, TrainingRows
from idiolect.data.tokens import Tokens
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.objectives.likelihood import Likelihood
from idiolect.pretraining.settings import PretrainSettings
from idiolect.pretraining.task import Task, mean_loss
from idiolect.tokenizers.base import Tokenizer

SAMPLE_TOKENS = 60
"""Length of the samples that are drawn at evaluations."""


def next_token(
    read: Tokens, tokenizer: Tokenizer, settings: PretrainSettings, compute: Compute, precision: Precision
) -> Task:
    """The task of a model that reads from left to right."""
    training, validation = read.split("train"), read.split("validation")
    model = build(settings.spec(tokenizer.vocab_size))
    model.init_weights(settings.seed)
    model.to(compute.device)
    speaker = LanguageModel(model, tokenizer)
    prompt = settings.prompt or tokenizer.decode(validation.read(0, 9).tolist())
    tokenizer.encode(prompt)  # refused now rather than at the first evaluation
    objective = Likelihood()

    def evaluate(final: bool) -> Mapping[str, float | str]:
        held_out = EvaluationRows(
            validation,
            settings.context,
            settings.batch,
            across_documents=settings.across_documents,
            most_tokens=None if final or not settings.evaluate_tokens else settings.evaluate_tokens,
        )
        sample = speaker.complete(prompt, max_tokens=SAMPLE_TOKENS, seed=settings.seed)
        return {"val_loss": mean_loss(model, held_out, objective, compute, precision), "sample": sample}

    rows = TrainingRows(training, settings.context, settings.seed, across_documents=settings.across_documents)
    return Task(speaker, rows, objective, evaluate, prompt)
