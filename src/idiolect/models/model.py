"""What every language model can do without its text: ids in, hidden states out, and a head that turns them into logits.

Shapes: B rows, T positions, D model width, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from idiolect.errors import ModelError, UsageError
from idiolect.models.spec import Spec
from idiolect.nn.cache import Cache


class Model(nn.Module, ABC):
    """A language model; `build` makes one of a shape. What is trained on top of it needs `hidden` alone."""

    spec: Spec

    @abstractmethod
    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: Cache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        """Hidden states (B, T, D) after the last norm.

        Args:
            ids_BT: int64 tokens.
            segments_BT: documents packed in a row: no position learns anything of another document. Positions that
                only fill up a row are a segment of their own. None: a row is one text.
            cache: what is remembered of the positions before these; extended in place. Not with segments.
            types_BT: an encoder's kinds of segment (the first and the second of a pair), from 0; None: all 0.
        """

    @abstractmethod
    def head(self, hidden_BTD: Tensor) -> Tensor:
        """Logits (B, T, V) of hidden states."""

    def new_cache(self, rows: int, length: int) -> Cache:
        """An empty memory for `rows` rows of up to `length` positions, on the model's device and in its precision.

        Raises:
            UsageError: the model does not read from left to right, and so cannot go on where it stopped.
        """
        raise UsageError("This model does not read from left to right, and cannot continue a text.")

    @abstractmethod
    def init_weights(self, seed: int) -> None:
        """Set every parameter from `seed`; the one place where initial values are decided."""

    @property
    def window(self) -> int | None:
        """How many positions a row may have; None: as many as one likes."""
        return self.spec.context

    def forward(self, ids_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """Logits (B, T, V): `head(hidden(ids))`."""
        return self.head(self.hidden(ids_BT, segments_BT))


def embedded(table: nn.Embedding, ids: Tensor) -> Tensor:
    """The embeddings of ids (…, D).

    Raises:
        ModelError: an id is outside the vocabulary. (On a GPU, which is not waited for, PyTorch stops the process.)
    """
    try:
        vectors: Tensor = table(ids)
    except IndexError as error:
        odd = int(ids.max()) if int(ids.min()) >= 0 else int(ids.min())
        raise ModelError(
            f"Token {odd} is outside the model's vocabulary of {table.num_embeddings}: use the model's own tokenizer."
        ) from error
    return vectors


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """The model in evaluation mode, and afterwards each of its parts as it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
