"""The shape of a model, and what every model can do: hidden states, and a head on them.

Shapes: B rows, T positions, D model width, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from idiolect.errors import UsageError
from idiolect.nn.cache import KVCache


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The shape of a decoder in Qwen3's form: RMSNorm, rotary positions, SwiGLU, QK-norm, grouped queries."""

    vocab_size: int
    context: int
    """Longest row it is trained for, in tokens."""
    layers: int = 4
    heads: int = 4
    kv_heads: int = 4
    """Heads of keys and values; fewer than `heads` shares each among a group of queries."""
    dim: int = 128
    """Width of the hidden states."""
    head_dim: int = 32
    mlp_dim: int = 384
    """Width inside the feed-forward layer."""
    rope_theta: float = 10000.0
    norm_eps: float = 1e-6
    tied: bool = True
    """One matrix for the input embeddings and the output head."""
    dropout: float = 0.0
    """Probability of dropping a unit of each block's output, in training only."""
    family: Literal["decoder"] = "decoder"

    def __post_init__(self) -> None:
        """Raises UsageError for a shape that cannot be."""
        for name in ("vocab_size", "context", "layers", "heads", "kv_heads", "dim", "head_dim", "mlp_dim"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.heads % self.kv_heads:
            raise UsageError(f"kv_heads ({self.kv_heads}) must divide heads ({self.heads}).")
        if self.head_dim % 2:
            raise UsageError(f"head_dim must be even for rotary positions, not {self.head_dim}.")
        if not 1.0 <= self.rope_theta < float("inf"):
            raise UsageError(f"rope_theta must be at least 1 and finite, not {self.rope_theta}.")
        if not 0.0 <= self.dropout < 1.0:
            raise UsageError(f"dropout must be at least 0 and below 1, not {self.dropout}.")


class Model(nn.Module, ABC):
    """A language model without its text: ids in, hidden states out, and a head that turns them into logits."""

    spec: DecoderSpec

    @abstractmethod
    def hidden(self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Hidden states (B, T, D) after the last norm.

        Args:
            ids_BT: int64 tokens.
            segments_BT: documents packed in a row; attention stays inside each. None: a row is one text.
            cache: keys and values of the positions before these ones; extended in place. Not with segments.
        """

    @abstractmethod
    def head(self, hidden_BTD: Tensor) -> Tensor:
        """Logits (B, T, V) of hidden states."""

    @abstractmethod
    def init_weights(self, seed: int) -> None:
        """Set every parameter from `seed`; the one place where initial values are decided."""

    def forward(self, ids_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """Logits (B, T, V): `head(hidden(ids))`."""
        return self.head(self.hidden(ids_BT, segments_BT))
