"""`TextClassifier`: a model that gives labels, with its tokenizer. It speaks in text; tensors stay inside.

Texts, or pairs of them, get one label each; words get one each where the head is for tokens. What is read to classify
is read just as in training (`data/labelled.py`).

Shapes: N texts, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor

from idiolect.data.framing import Framing, together
from idiolect.data.labelled import (
    LabelledRows,
    LabelledText,
    Row,
    TaggedWords,
    as_batch,
    label_rows,
    tag_rows,
)
from idiolect.errors import ModelError, UsageError
from idiolect.evaluation.labelling import Judged, asked, judge
from idiolect.hub import folder_of
from idiolect.language_model import LanguageModel
from idiolect.model_folder import check_fit, load_folder, save_folder
from idiolect.models.build import with_head
from idiolect.models.config_json import TokenIds
from idiolect.models.heads import Headed
from idiolect.models.model import Model, evaluating
from idiolect.models.spec import HeadSpec, Pooling, TransformerSpec
from idiolect.tokenizers.base import Tokenizer

Texts = Sequence[str] | Sequence[tuple[str, str]]
"""Texts, or pairs of texts."""

_TOKENS: Final = 2**14  # positions that are read together


class Said(NamedTuple):
    """A label and how probable it is."""

    label: str
    probability: float


class TextClassifier:
    """A model that says a label of a text, of two, or of each word.

    Example:
        >>> classifier = TextClassifier.load("sentiment")
        >>> classifier.classify(["the movie was great"])
        [Said(label='positive', probability=0.98)]
        >>> TextClassifier.load("inference").classify([("all animals breathe", "cats breathe")])
        [Said(label='entailment', probability=0.91)]
    """

    model: Headed
    tokenizer: Tokenizer

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        tokens: TokenIds = TokenIds(),  # noqa: B008  it cannot change
    ) -> None:
        """Raises ModelError for a model without such a head, and TokenizerError for a tokenizer that is another's."""
        if not isinstance(model, Headed):
            raise ModelError("This model gives tokens, not labels: train a head on it, or load it by idiolect.load.")
        check_fit(model, tokenizer)
        self.model, self.tokenizer, self.tokens = model, tokenizer, tokens
        self._framing = Framing(tokenizer, encoder=model.spec.family == "encoder", context=model.window)

    @classmethod
    def load(cls, folder: str | Path) -> TextClassifier:
        """Read a folder: one of this package's, or Hugging Face's of a kind it knows (`…ForSequenceClassification`,
        `…ForTokenClassification`).

        Raises:
            ModelError: the folder is not such a model's, is damaged, or of an unknown kind.
            TokenizerError: its tokenizer cannot be read, or is another one than the model was trained with.
        """
        return cls(*load_folder(Path(folder)))

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> TextClassifier:
        """Read a folder, or download one from the Hugging Face hub, as `LanguageModel.from_pretrained` does."""
        return cls.load(folder_of(name, revision))

    @classmethod
    def on(
        cls, model: LanguageModel, labels: Sequence[str], *, pooling: Pooling | None = None, seed: int = 0
    ) -> TextClassifier:
        """A classifier to be trained, on the body of a language model, which stays as it is.

        Args:
            model: any that was trained, or a new one.
            labels: what can be said, two names or more.
            pooling: "cls", "last" or "mean" for labels of texts, "each" for labels of words; None: "cls" of an
                encoder, "last" of what reads from left to right.
            seed: of the new head.

        Raises:
            UsageError: labels that are not different, or a pooling that the model cannot have.

        Example:
            >>> classifier = TextClassifier.on(idiolect.load("encoder"), ("negative", "positive"))
            >>> fit(classifier.model, classifier.rows(examples), Likelihood(few=True), plan, ...)
        """
        encoder = model.spec.family == "encoder"
        pooling = pooling or ("cls" if encoder else "last")
        head = HeadSpec(tuple(labels), pooling=pooling, bias=encoder or pooling != "last")  # as those of transformers
        return cls(with_head(model.model, head, seed=seed), model.tokenizer, model.tokens)

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load`, and where they have such a class Hugging Face's `transformers`, read.

        Raises:
            ArtifactError: the folder cannot be written, or has a README.md that is not a model card of this package.
        """
        save_folder(self.model, self.tokenizer, self.tokens, Path(folder))

    def save_pretrained(self, folder: str | Path) -> None:
        """What `save` does, by the name that users of `transformers` look for."""
        self.save(folder)

    @property
    def labels(self) -> tuple[str, ...]:
        """What can be said."""
        return self.model.labels

    def classify(self, texts: Texts) -> list[Said]:
        """The likeliest label of each text, or of each pair.

        What is longer than the context is shortened: the end is left out, of two texts always that of the longer one.

        Raises:
            UsageError: the head is for words, or has one label only; or a text alone was given, not a list.
            TokenizerError: a pair, of which the tokenizer marks the second text by what the model does not know.

        Example:
            >>> classifier.classify(["a wonderful film", "two hours of my life"])
            [Said(label='positive', probability=0.97), Said(label='negative', probability=0.74)]
        """
        best = self.probabilities(texts).max(dim=-1)
        return [Said(self.labels[place], p) for p, place in zip(best.values.tolist(), best.indices.tolist())]

    def probabilities(self, texts: Texts) -> Tensor:
        """The probability of each label for each text (N, L), in fp32 on the CPU; rows sum to 1.

        Raises:
            UsageError: as `classify`.
        """
        self._check(texts, words=False)
        examples = [
            LabelledText(one, self.labels[0]) if isinstance(one, str) else LabelledText(one[0], self.labels[0], one[1])
            for one in texts
        ]
        logits = self._logits(self._rows(examples))
        return torch.cat(logits or [torch.zeros(0, len(self.labels))]).softmax(dim=-1)

    def tag(self, texts: Sequence[Sequence[str]]) -> list[list[Said]]:
        """The likeliest label of each word of each text, as its first piece has it.

        Raises:
            UsageError: the head is for texts, or a text is longer than the context.
            CorpusError: a word gives no token.

        Example:
            >>> tagger.tag([["Ada", "lives", "in", "Zürich"]])
            [[Said(label='person', probability=0.99), ...]]
        """
        self._check(texts, words=True)
        rows = self._rows([TaggedWords(words, [self.labels[0]] * len(words)) for words in texts])
        for number, (row, words) in enumerate(zip(rows, texts), start=1):
            if len(row.places) < len(words):
                raise UsageError(f"Text {number} is longer than the model's context of {self.model.window}: cut it.")
        found = []
        for logits_NL in self._logits(rows):
            best = logits_NL.softmax(dim=-1).max(dim=-1)
            found.append([Said(self.labels[n], p) for p, n in zip(best.values.tolist(), best.indices.tolist())])
        return found

    def rows(self, examples: Sequence[LabelledText] | Sequence[TaggedWords], *, seed: int = 0) -> LabelledRows:
        """Rows to train on, or to measure on: what `fit` takes.

        Raises:
            CorpusError: there are no examples, or one has a label that this model does not know.
            UsageError: texts for a head of words, or words for a head of texts.
        """
        return LabelledRows(self._rows(examples), self._framing.filler, seed)

    def measure(self, examples: Sequence[LabelledText] | Sequence[TaggedWords]) -> Judged:
        """Loss and accuracy on examples that were not trained on.

        Example:
            >>> classifier.measure(held_out).accuracy
            0.86
        """
        return judge(self.model, self.rows(examples).in_order(64))

    def _rows(self, examples: Sequence[LabelledText] | Sequence[TaggedWords]) -> list[Row]:
        tagged = [one for one in examples if isinstance(one, TaggedWords)]
        texts = [one for one in examples if isinstance(one, LabelledText)]
        if texts if self.model.pooling == "each" else tagged:
            wanted = "words with tags (TaggedWords)" if self.model.pooling == "each" else "texts (LabelledText)"
            raise UsageError(f"This model learns from {wanted}.")
        if self.model.pooling == "each":
            return tag_rows(tagged, self._framing, self.labels)
        if isinstance(self.model.spec, TransformerSpec) and any(one.second is not None for one in texts):
            self._framing.check_types(self.model.spec.types)
        return label_rows(texts, self._framing, self.labels, last=self.model.pooling == "last")

    def _check(self, texts: Sequence[object], *, words: bool) -> None:
        if len(self.labels) < 2:
            raise UsageError("This model has one label only, a number and no choice: there is nothing to classify.")
        if words != (self.model.pooling == "each"):
            raise UsageError(
                "This model gives a label to each text: use classify."
                if words
                else "This model gives a label to each word: use tag."
            )
        if isinstance(texts, str) or (words and any(isinstance(one, str) for one in texts)):
            raise UsageError("Give a list of texts, each a list of words." if words else "Give a list of texts.")
        if not words and not all(isinstance(one, str) or len(one) == 2 for one in texts):  # type: ignore[arg-type]
            raise UsageError("Each text is a string, or a pair of strings.")

    @torch.no_grad()
    def _logits(self, rows: Sequence[Row]) -> list[Tensor]:
        """The logits of each row's labels, rows of like length read together."""
        found = [torch.zeros(0, len(self.labels))] * len(rows)
        with evaluating(self.model):
            for numbers in together([len(row.ids_N) for row in rows], _TOKENS):
                chosen = [rows[number] for number in numbers]
                logits_NL = asked(self.model, as_batch(chosen, self._framing.filler))
                for number, own in zip(numbers, torch.split(logits_NL, [len(row.places) for row in chosen])):
                    found[number] = own
        return found
