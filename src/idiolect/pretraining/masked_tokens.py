"""Learning to fill in hidden tokens, and whether one text follows another: encoders (Devlin et al. 2019, "BERT")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from idiolect.compute import Compute, Precision
from idiolect.data.batch import Batch
from idiolect.data.encoder_rows import EncoderRows
from idiolect.data.masking import Ids, Masking
from idiolect.data.tokens import Tokens, TokenStream
from idiolect.generate.filling import likeliest
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.transformer import Transformer
from idiolect.objectives.likelihood import MaskedLikelihood
from idiolect.pretraining.settings import PretrainSettings
from idiolect.pretraining.starting import start_from
from idiolect.pretraining.task import Task, mean_loss
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame

SPECIAL = {"cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]", "pad": "[PAD]"}
"""The special tokens an encoder needs, by role, with the names that new ones get."""

SAMPLE_TOKENS = 40
"""Tokens of the sample that is filled in at evaluations; every fifth of them is hidden."""


def as_encoders(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer that an encoder can use: with a mask, and with a frame around a text and around two.

    One that was learnt for other models gets `[CLS]`, `[SEP]`, `[MASK]` and `[PAD]` behind its vocabulary; its own ids
    stay what they are, so that tokens on disk remain right.
    """
    if "mask" in tokenizer.roles and tokenizer.frame != Frame():
        return tokenizer
    missing = [name for role, name in SPECIAL.items() if role not in tokenizer.roles]
    extended = tokenizer.extend([name for name in missing if name not in tokenizer.special_tokens], special=True)
    roles = {**SPECIAL, **tokenizer.roles}
    return extended.with_frame(Frame.bert(roles["cls"], roles["sep"]), roles=roles)


def masked_tokens(
    read: Tokens, tokenizer: Tokenizer, settings: PretrainSettings, compute: Compute, precision: Precision
) -> Task:
    """The task of a model that reads both sides."""
    own, tokenizer = tokenizer, as_encoders(tokenizer)
    masking = Masking.of(tokenizer, rate=settings.masked, whole_words=settings.whole_words)

    def rows_of(stream: TokenStream, seed: int) -> EncoderRows:
        return EncoderRows(
            stream,
            tokenizer,
            settings.context,
            masking,
            seed,
            pairs=settings.pairs,
            across_documents=settings.across_documents,
        )

    training, validation = read.split("train"), read.split("validation")
    rows, held_out = rows_of(training, settings.seed), rows_of(validation, seed=0)
    model = build(settings.spec(tokenizer.vocab_size, pairs=settings.pairs))
    assert isinstance(model, Transformer)
    model.init_weights(settings.seed)
    start = start_from(settings.embeddings, model, own, settings.seed)
    model.to(compute.device)
    speaker = LanguageModel(model, tokenizer)
    sample_ids = validation.read(0, min(SAMPLE_TOKENS, len(validation), settings.context - 2)).astype(np.int64)

    def batches(final: bool) -> Iterator[Batch]:
        most = settings.evaluate_tokens // settings.context
        count = held_out.per_epoch if final or not most else min(held_out.per_epoch, max(1, most))
        for first in range(0, count, settings.batch):
            yield held_out.batch(first, min(settings.batch, count - first))

    def evaluate(final: bool) -> Mapping[str, float | str]:
        watching = _Watching()
        loss = mean_loss(model, batches(final), watching, compute, precision)
        return {"val_loss": loss, **watching.shares(), "sample": _filled_in(speaker, masking, sample_ids)}

    return Task(speaker, rows, MaskedLikelihood(), evaluate, prompt="", start=start)


class _Watching:
    """The objective, which also counts how often the likeliest token is the hidden one, and the likelier label true."""

    def __init__(self) -> None:
        self._right = {"masked_accuracy": 0.0, "pair_accuracy": 0.0}
        self._all = dict.fromkeys(self._right, 0.0)

    def __call__(self, model: Model, batch: Batch) -> torch.Tensor:
        assert isinstance(model, Transformer), "masked tokens are an encoder's"
        hidden_BTD = model.hidden(batch.ids_BT, batch.segments_BT, types_BT=batch.types_BT)
        counts_BT = batch.weights_BT > 0
        guesses = model.head(hidden_BTD[counts_BT]).argmax(dim=-1)
        self._add("masked_accuracy", guesses == batch.targets_BT[counts_BT])
        if batch.labels_B is not None and batch.label_weights_B is not None:
            right_B = model.pair_logits(hidden_BTD).argmax(dim=-1) == batch.labels_B
            self._add("pair_accuracy", right_B[batch.label_weights_B > 0])
        return MaskedLikelihood().of_hidden(model, hidden_BTD, batch)

    def shares(self) -> dict[str, float]:
        """Of each of the two, the share that was right; one that was never asked is left out."""
        return {name: self._right[name] / total for name, total in self._all.items() if total}

    def _add(self, name: str, right: torch.Tensor) -> None:
        self._right[name] += float(right.sum())
        self._all[name] += right.numel()


def _filled_in(speaker: LanguageModel, masking: Masking, ids: Ids) -> str:
    """A text whose every fifth token was hidden, with what the model would put there: ⟦guess⟧, or ⟦guess→truth⟧."""
    tokenizer = speaker.tokenizer
    hidden = [n for n in range(2, len(ids), 5) if masking.ordinary_V[ids[n]]]
    read = ids.copy()
    read[hidden] = masking.mask
    said = likeliest(speaker.model, tokenizer, tokenizer.framed(read.tolist()).ids, k=1)
    texts = [tokenizer.decode([token_id]) for token_id in ids.tolist()]
    for n, [(token_id, _)] in zip(hidden, said):
        guess, truth = tokenizer.token_bytes(token_id).decode("utf-8", errors="replace"), texts[n]
        texts[n] = f"⟦{guess}⟧" if token_id == ids[n] else f"⟦{guess}→{truth}⟧"
    return "".join(texts)
