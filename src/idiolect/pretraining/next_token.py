"""Learning to predict the next token: decoders and recurrent networks.

A decoder's rows are shuffled windows. A recurrent network reads its text in order, in as many lanes as a batch has
rows, and each row goes on from the state that the one before it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idiolect.compute import Compute, Precision
from idiolect.data.batch import Batch
from idiolect.data.lanes import EvaluationLanes, TrainingLanes
from idiolect.data.rows import EvaluationRows, TrainingRows
from idiolect.data.tokens import Tokens
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.objectives.carried import CarriedLikelihood
from idiolect.objectives.likelihood import Likelihood
from idiolect.pretraining.settings import PretrainSettings
from idiolect.pretraining.starting import start_from
from idiolect.pretraining.task import Task, mean_loss
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.loop import Rows
from idiolect.train.parallel import Objective

SAMPLE_TOKENS = 60
"""Length of the samples that are drawn at evaluations."""


def next_token(
    read: Tokens, tokenizer: Tokenizer, settings: PretrainSettings, compute: Compute, precision: Precision
) -> Task:
    """The task of a model that reads from left to right."""
    training, validation = read.split("train"), read.split("validation")
    model = build(settings.spec(tokenizer.vocab_size))
    model.init_weights(settings.seed)
    start = start_from(settings.embeddings, model, tokenizer, settings.seed)
    model.to(compute.device)
    speaker = LanguageModel(model, tokenizer)
    prompt = settings.prompt or tokenizer.decode(validation.read(0, 9).tolist())
    tokenizer.encode(prompt)  # refused now rather than at the first evaluation
    recurrent = settings.recurrent
    context, batch, across = settings.context, settings.batch, settings.across_documents
    rows: Rows
    if recurrent:
        rows = TrainingLanes(training, context, batch, settings.seed, across_documents=across)
    else:
        rows = TrainingRows(training, context, settings.seed, across_documents=across)

    def objective() -> Objective:
        return CarriedLikelihood(batch) if recurrent else Likelihood()

    def evaluate(final: bool) -> Mapping[str, float | str]:
        most = None if final or not settings.evaluate_tokens else settings.evaluate_tokens
        held_out: Iterable[Batch]
        if recurrent:
            held_out = EvaluationLanes(validation, context, batch, across_documents=across, most_tokens=most)
        else:
            held_out = EvaluationRows(validation, context, batch, across_documents=across, most_tokens=most)
        sample = speaker.complete(prompt, max_tokens=SAMPLE_TOKENS, seed=settings.seed)
        # What is carried in training is no business of the evaluation's: it has an objective of its own.
        return {"val_loss": mean_loss(model, held_out, objective(), compute, precision), "sample": sample}

    return Task(speaker, rows, objective(), evaluate, prompt, start)
