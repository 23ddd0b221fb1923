"""Attention from one sequence to another, and from a learnt question to a sequence.

Self-attention, which language models are made of, is in `nn/attention.py`; both share `attend`. The textbook's single
query over items x_1 … x_L is `nn/reference.py`'s `attend`, to which the tests hold these.

Shapes: B rows, T positions that ask, S positions that are asked, H heads, C channels of a head, D width of those that
ask, M width of those that are asked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from idiolect.nn.attention import attend, attention_weights
from idiolect.nn.masks import Sight


class CrossAttention(nn.Module):
    """Each of T positions looks at S items of another sequence (Vaswani et al. 2017, section 3.2.3).

    Args:
        dim: width of the positions that ask, and of the answers.
        memory_dim: width of the items that are asked.
        heads: how many questions each position asks at once.

    Example:
        >>> CrossAttention(8, 6, heads=2)(torch.zeros(1, 3, 8), torch.zeros(1, 5, 6)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, dim: int, memory_dim: int, heads: int) -> None:
        super().__init__()
        assert dim % heads == 0, "the heads share the width"
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(memory_dim, dim, bias=False)
        self.v_proj = nn.Linear(memory_dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, hidden_BTD: Tensor, memory_BSM: Tensor, seen_BS: Tensor | None = None) -> Tensor:
        """(B, T, D); `seen_BS` is False at items that are only there to fill up a row."""
        queries_BHTC, keys_BHSC, sight = self._asked(hidden_BTD, memory_BSM, seen_BS)
        answers_BHTC = attend(queries_BHTC, keys_BHSC, self._heads(self.v_proj(memory_BSM)), sight)
        merged_BTD: Tensor = self.o_proj(answers_BHTC.transpose(1, 2).flatten(2))
        return merged_BTD

    def weights(self, hidden_BTD: Tensor, memory_BSM: Tensor, seen_BS: Tensor | None = None) -> Tensor:
        """How much each position looks at each item (B, H, T, S), non-negative and summing to 1 over the items."""
        return attention_weights(*self._asked(hidden_BTD, memory_BSM, seen_BS))

    def _asked(self, hidden_BTD: Tensor, memory_BSM: Tensor, seen_BS: Tensor | None) -> tuple[Tensor, Tensor, Sight]:
        sight = Sight(None if seen_BS is None else seen_BS[:, None, None, :])
        return self._heads(self.q_proj(hidden_BTD)), self._heads(self.k_proj(memory_BSM)), sight

    def _heads(self, vectors_BSD: Tensor) -> Tensor:
        return vectors_BSD.view(*vectors_BSD.shape[:2], self.heads, -1).transpose(1, 2)


class AttentionPooling(nn.Module):
    """One vector of a whole sequence: the mean of its positions, weighted by how well each answers a learnt question
    (Yang et al. 2016, "Hierarchical Attention Networks", section 2.2).

    Example:
        >>> AttentionPooling(8)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.question = nn.Parameter(torch.zeros(dim))
        """At zero all positions answer alike, and the pooling is their mean."""

    def forward(self, hidden_BSD: Tensor, seen_BS: Tensor | None = None) -> Tensor:
        """(B, D); `seen_BS` is False at positions that are only there to fill up a row."""
        question_B11D = self.question.expand(len(hidden_BSD), 1, 1, -1)
        sight = Sight(None if seen_BS is None else seen_BS[:, None, None, :])
        return attend(question_B11D, hidden_BSD[:, None], hidden_BSD[:, None], sight)[:, 0, 0]
