"""The shapes a model can have: all that decides its parameters and its arithmetic, and no text.

A shape is checked when it is made, so that a model is never built of one that cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from idiolect.errors import UsageError
from idiolect.nn.attention import Biases
from idiolect.nn.block import NormPlace
from idiolect.nn.mlp import Activation
from idiolect.nn.positions import RopeScaling
from idiolect.nn.recurrent import Bend, Cell

Positions = Literal["rotary", "learned", "sinusoidal", "alibi", "none"]
Norm = Literal["rms", "layer"]
Pooling = Literal["cls", "last", "mean", "each"]


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head that gives labels instead of tokens: of a text, of a pair of texts, or of each token.

    Example:
        >>> HeadSpec(("negative", "positive"), pooling="cls")
    """

    labels: tuple[str, ...]
    """What can be said, by name; the order is that of the logits."""
    pooling: Pooling = "cls"
    """Which hidden states it reads: the first position's, through the pooler where the body has one; the last's; the
    mean of all; or each by itself, for a label of every token."""
    bias: bool = True
    """Whether each label has a number of its own beside its vector."""

    def __post_init__(self) -> None:
        """Raises UsageError for labels that cannot be told apart."""
        if not self.labels or len(set(self.labels)) < len(self.labels) or not all(self.labels):
            named = ", ".join(map(repr, self.labels)) or "none"
            raise UsageError(f"Labels must be one or more different names, not {named}.")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the shapes of all families have."""

    vocab_size: int
    context: int
    """Longest row it is trained for, in tokens."""
    layers: int = 4
    dim: int = 128
    """Width of the hidden states."""
    tied: bool = True
    """One matrix for the input embeddings and the output head."""
    dropout: float = 0.0
    """Probability of dropping a unit between layers, in training only."""
    head: HeadSpec | None = None
    """The head that gives labels; None: it gives tokens."""

    def __post_init__(self) -> None:
        """Raises UsageError for a shape that cannot be."""
        _at_least_one(self, "vocab_size", "context", "layers", "dim")
        if not 0.0 <= self.dropout < 1.0:
            raise UsageError(f"dropout must be at least 0 and below 1, not {self.dropout}.")


@dataclass(frozen=True, slots=True)
class TransformerSpec(Shape):
    """The shape of a Transformer: a decoder, which sees the left, or an encoder, which sees both sides.

    The defaults are Qwen3's: RMSNorm before each part, rotary positions, SwiGLU, QK-norm, no biases.
    `models/shapes.py` names those of other well-known models.
    """

    heads: int = 4
    kv_heads: int = 4
    """Heads of keys and values; fewer than `heads` shares each among a group of queries."""
    head_dim: int = 32
    mlp_dim: int = 384
    """Width inside the feed-forward layer."""
    family: Literal["decoder", "encoder"] = "decoder"
    positions: Positions = "rotary"
    """How the model knows where a token stands: by turning queries and keys, by a vector added to the embedding
    (learned, or sinusoidal), by a penalty on distance (alibi), or not at all."""
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    """How rotary positions are stretched beyond the context they were trained for."""
    norm: Norm = "rms"
    norm_place: NormPlace = "pre"
    norm_eps: float = 1e-6
    residual: bool = True
    """Whether what a part of a block found is added to what it read, or takes its place."""
    qk_norm: bool = True
    """Queries and keys are RMS-normalised."""
    biases: Biases = "none"
    """Which linear layers have a bias; with "all", layer norms too."""
    activation: Activation = "silu"
    gated: bool = True
    """Whether one half of the widened vector is the gate of the other."""
    window: int = 0
    """How far a position sees: a decoder's itself and the `window` − 1 before it, an encoder's `window` // 2 to either
    side. 0: everything."""
    global_every: int = 0
    """With a window: the first layer and every so many after it see everything. 0: none does."""
    embedding_norm: bool = False
    """Whether the embeddings are normalised before the first block."""
    types: int = 0
    """Kinds of segment (the first and the second of a pair) that have a vector of their own; 0: none."""
    masked_head: bool = False
    """Encoder: whether it can say which token stood at a masked position."""
    pooler: bool = False
    """Encoder: whether a layer is kept that makes one vector of a text from its first position (BERT)."""
    pair_head: bool = False
    """Encoder: whether it can say, of the pooled vector, if a second segment follows the first."""

    def __post_init__(self) -> None:
        """Raises UsageError for a shape that cannot be."""
        Shape.__post_init__(self)
        _at_least_one(self, "heads", "kv_heads", "head_dim", "mlp_dim")
        if self.heads % self.kv_heads:
            raise UsageError(f"kv_heads ({self.kv_heads}) must divide heads ({self.heads}).")
        if self.positions == "rotary" and self.head_dim % 2:
            raise UsageError(f"head_dim must be even for rotary positions, not {self.head_dim}.")
        if self.positions == "sinusoidal" and self.dim % 2:
            raise UsageError(f"dim must be even for sinusoidal positions, not {self.dim}.")
        if not 1.0 <= self.rope_theta < float("inf"):
            raise UsageError(f"rope_theta must be at least 1 and finite, not {self.rope_theta}.")
        if self.rope_scaling is not None and self.positions != "rotary":
            raise UsageError("rope_scaling is for rotary positions only.")
        if self.rope_scaling is not None:
            self.rope_scaling.check(self.context, self.head_dim)
        for name in ("window", "global_every", "types"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if self.pair_head and not self.pooler:
            raise UsageError("A model that judges pairs needs the pooler.")
        if self.family == "decoder":
            if self.masked_head or self.pooler:
                raise UsageError("masked_head and pooler are an encoder's.")
            _reads_what_was_read(self)
        elif self.head is not None:
            if self.masked_head or self.pair_head:
                raise UsageError("A model has one head: of labels, or of masked tokens and pairs.")
            if self.pooler and self.head.pooling != "cls":
                raise UsageError(f"The pooler reads the first position, and the head {self.head.pooling}.")


@dataclass(frozen=True, slots=True)
class RecurrentSpec(Shape):
    """The shape of a recurrent network: each position's state is made of the one before and of its token.

    `dim` is the width of the embeddings and of every layer's state.
    """

    family: Cell = "lstm"
    """The cell: a simple recurrent network (Elman 1990), a long short-term memory (Hochreiter & Schmidhuber 1997), or
    a gated recurrent unit (Cho et al. 2014)."""
    bend: Bend = "tanh"
    """What bends the sum in a simple recurrent network: tanh, or the logistic function."""
    variational: bool = False
    """Drop the same units at every position of a row (Gal & Ghahramani 2016), rather than others at each."""
    weight_drop: float = 0.0
    """Probability of dropping a weight from state to state, in training (Merity et al. 2018, "Regularizing and
    Optimizing LSTM Language Models", section 2)."""

    def __post_init__(self) -> None:
        """Raises UsageError for a shape that cannot be."""
        Shape.__post_init__(self)
        if self.bend != "tanh" and self.family != "rnn":
            raise UsageError("bend is a simple recurrent network's (rnn); the others' gates say what bends them.")
        if not 0.0 <= self.weight_drop < 1.0:
            raise UsageError(f"weight_drop must be at least 0 and below 1, not {self.weight_drop}.")
        _reads_what_was_read(self)


Spec = TransformerSpec | RecurrentSpec


def _reads_what_was_read(shape: Shape) -> None:
    if shape.head is not None and shape.head.pooling == "cls":
        raise UsageError("The first position of a model that reads from left to right knows nothing of the text.")


def _at_least_one(shape: Shape, *names: str) -> None:
    for name in names:
        if getattr(shape, name) < 1:
            raise UsageError(f"{name} must be at least 1, not {getattr(shape, name)}.")
