"""A body with another head: hidden states become labels instead of tokens.

A probe, a classifier of texts or of pairs, a tagger of tokens, a reward model and a value model differ only in their
head, which is one matrix here. Which positions have a label the batch says, by its weights (`data/labelled.py`), so
that training is the likelihood of everything else: `Likelihood(few=True)`.

It costs 2 · D · L operations for each position that has a label, and the mean of a text T · T · D.

Shapes: B rows, T positions, D model width, L labels.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor, nn

from idiolect.errors import UsageError
from idiolect.models.model import Model
from idiolect.models.spec import HeadSpec, Spec
from idiolect.models.transformer import Transformer
from idiolect.nn.cache import Cache
from idiolect.nn.dropout import dropout


class Headed(Model):
    """Any family's body, and a matrix that gives each label a score (Devlin et al. 2019, "BERT", section 4.1; Radford
    et al. 2018, section 3.2).

    Example:
        >>> model = build(TransformerSpec(vocab_size=65, context=64, head=HeadSpec(("no", "yes"), pooling="last")))
        >>> model.init_weights(seed=0)
        >>> model(torch.zeros(2, 7, dtype=torch.int64)).shape
        torch.Size([2, 7, 2])
    """

    spec: Spec

    def __init__(self, body: Model, head: HeadSpec) -> None:
        super().__init__()
        self.spec = body.spec
        self.body = body
        self.labels = head.labels
        self.pooling = head.pooling
        self.score = nn.Linear(body.spec.dim, len(head.labels), bias=head.bias)

    @property
    def window(self) -> int | None:
        """How many positions a row may have: the body's."""
        return self.body.window

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: Cache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        """The body's hidden states (B, T, D); where the head reads the mean, that of its document at every position."""
        hidden_BTD = self.body.hidden(ids_BT, segments_BT, cache, types_BT)
        if self.pooling != "mean":
            return hidden_BTD
        if segments_BT is None:
            return hidden_BTD.mean(dim=1, keepdim=True).expand_as(hidden_BTD)
        exact = torch.promote_types(hidden_BTD.dtype, torch.float32)  # bf16 cannot count beyond 256
        alike_BTT = (segments_BT[:, :, None] == segments_BT[:, None, :]).to(exact)
        means_BTD = alike_BTT @ hidden_BTD.to(exact) / alike_BTT.sum(dim=2, keepdim=True)
        return means_BTD.to(hidden_BTD.dtype)

    def head(self, hidden_BTD: Tensor) -> Tensor:
        """Logits (B, T, L): the score of each label, at positions that have one."""
        if isinstance(self.body, Transformer) and self.body.pooler is not None:
            hidden_BTD = self.body.pool(hidden_BTD)
        logits_BTL: Tensor = self.score(dropout(hidden_BTD, self.spec.dropout, self.training))
        return logits_BTL

    def new_cache(self, rows: int, length: int) -> NoReturn:
        """Raises UsageError: there is no text to go on with."""
        raise UsageError("This model gives labels, and does not continue text.")

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Set every parameter; the same seed gives the same weights, whatever else the process has drawn.

        | parameter  | initial values         | why                                               |
        |------------|------------------------|---------------------------------------------------|
        | body       | as the body sets them  |                                                   |
        | score      | normal, 1 / dim        | logits near 0: the first loss is near log(labels) |
        | score bias | 0                      | it only shifts                                    |
        """
        self.body.init_weights(seed)
        generator = torch.Generator().manual_seed(seed)
        self.score.weight.copy_(torch.randn(self.score.weight.shape, generator=generator) / self.spec.dim)
        if self.score.bias is not None:
            self.score.bias.zero_()
