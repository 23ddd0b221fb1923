"""What a model to be trained from nothing is asked to be, as people say it: family, sizes, switches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from idiolect.errors import UsageError
from idiolect.models.shapes import SHAPES, ShapeName
from idiolect.models.spec import Norm, Positions, RecurrentSpec, Spec, TransformerSpec
from idiolect.nn.attention import Biases
from idiolect.nn.block import NormPlace
from idiolect.nn.mlp import Activation
from idiolect.nn.recurrent import Bend
from idiolect.train.plan import Plan

Family = Literal["decoder", "encoder", "rnn", "lstm", "gru"]

SWITCHES = (
    *("positions", "norm", "norm_place", "activation", "gated", "biases", "qk_norm", "residual"),
    *("window", "global_every", "embedding_norm"),
)
"""Settings that only a Transformer has, and that are its shape's where they are not given."""


RECURRENT_RATES = {"muon": 0.02, "beside muon": 0.01, "adamw": 0.01}
"""Highest learning rates of recurrent networks by optimiser, and of what AdamW has beside Muon, where they are not the
optimiser's own (measured: docs/log.md)."""


@dataclass(frozen=True)
class ModelSettings(Plan):
    """Model."""

    model: Family = "decoder"
    """Family: a decoder predicts each token from those before it, an encoder hidden tokens from both sides; rnn, lstm
    and gru are recurrent networks, which predict from a state."""
    shape: ShapeName | None = None
    """Whose Transformer it is. Unset: qwen3 for a decoder, bert for an encoder. The switches change it."""
    layers: int = 4
    """Blocks of attention and feed-forward, or layers of a recurrent network."""
    heads: int = 4
    """Heads of attention in each block."""
    kv_heads: int = 0
    """Heads of keys and values, each shared by a group of query heads. 0: as many as heads."""
    dim: int = 128
    """Width of the hidden states."""
    head_dim: int = 0
    """Width of a head. 0: dim divided by heads."""
    mlp_dim: int = 0
    """Width inside the feed-forward layer. 0: 4 times dim, or gated 8/3 of it in steps of 8, as many weights."""
    context: int = 256
    """Longest row, in tokens: how far back a Transformer can look, and a recurrent network learns."""
    rope_theta: float = 10000.0
    """Base of the rotary positions' wavelengths."""
    tied: bool = True
    """One matrix for the input embeddings and the output head."""
    embeddings: Path | None = None
    """What the input embeddings start from: word vectors (a folder of ours, or a file of word2vec, GloVe or fastText),
    those of the tokenizer's tokens, or a model folder. Unset: chance."""
    dropout: float = 0.0
    """Probability of dropping a unit between layers, in training."""
    positions: Positions | None = None
    """Switch: how a Transformer knows where a token stands."""
    norm: Norm | None = None
    """Switch: RMS norm, or layer norm."""
    norm_place: NormPlace | None = None
    """Switch: norms before each part of a block, or after."""
    activation: Activation | None = None
    """Switch: what bends the numbers of the feed-forward layer."""
    gated: bool | None = None
    """Switch: half of the feed-forward layer gates the other."""
    biases: Biases | None = None
    """Switch: which linear layers have a bias."""
    qk_norm: bool | None = None
    """Switch: queries and keys are normalised."""
    residual: bool | None = None
    """Switch: a part of a block adds to what it reads, rather than taking its place."""
    window: int | None = None
    """Switch: how many positions attention reaches. 0: all."""
    global_every: int | None = None
    """Switch: with a window, every so many layers see everything. 0: none."""
    embedding_norm: bool | None = None
    """Switch: the embeddings are normalised before the first block."""
    bend: Bend = "tanh"
    """Recurrent: what bends the sum of a simple network (rnn): tanh, or the logistic function."""
    variational: bool = False
    """Recurrent: drop the same units at every position of a row."""
    weight_drop: float = 0.0
    """Recurrent: probability of dropping a weight from state to state, in training."""

    @property
    def recurrent(self) -> bool:
        """Whether it reads by a state."""
        return self.model in ("rnn", "lstm", "gru")

    def with_rates(self) -> Self:
        """These settings with the learning rates that a training has where none is given: those of the family."""
        rates = RECURRENT_RATES if self.recurrent else {}
        lr, adamw_lr = self.lr, self.adamw_lr
        if lr is None:
            lr = rates.get(self.optimizer, self.highest_lr)
        if adamw_lr is None and self.optimizer == "muon":
            adamw_lr = rates.get("beside muon", self.highest_adamw_lr)
        return replace(self, lr=lr, adamw_lr=adamw_lr)

    def spec(self, vocab_size: int, *, pairs: bool = False) -> Spec:
        """The shape these settings ask for.

        Args:
            vocab_size: ids of the tokenizer.
            pairs: whether an encoder also judges if one text follows another.

        Raises:
            UsageError: it cannot be, or a switch does not go with the family.
        """
        given = {name: getattr(self, name) for name in SWITCHES if getattr(self, name) is not None}
        sizes = {name: getattr(self, name) for name in ("context", "layers", "dim", "tied", "dropout")}
        if self.model in ("rnn", "lstm", "gru"):  # spelt out for the type checker
            if given or self.shape is not None:
                odd = next(iter(given), "shape").replace("_", "-")
                raise UsageError(f"--{odd} is for Transformers: leave it out for a model of kind {self.model}.")
            return RecurrentSpec(
                vocab_size,
                **sizes,
                family=self.model,
                bend=self.bend,
                variational=self.variational,
                weight_drop=self.weight_drop,
            )
        if self.variational or self.weight_drop or self.bend != "tanh":
            raise UsageError("--bend, --variational and --weight-drop are for recurrent networks: leave them out.")
        return TransformerSpec(vocab_size, **sizes, **self._transformer(given, pairs=pairs))

    def _transformer(self, given: dict[str, Any], *, pairs: bool) -> dict[str, Any]:
        """What a Transformer has beside the sizes of all families."""
        name: ShapeName = self.shape or ("qwen3" if self.model == "decoder" else "bert")
        if SHAPES[name]["family"] != self.model:
            raise UsageError(
                f"The shape {name} is not a shape of kind {self.model}: choose another --shape, or --model."
            )
        if self.heads < 1 or (not self.head_dim and self.dim % self.heads):
            raise UsageError(f"heads ({self.heads}) must divide dim ({self.dim}), or --head-dim must be given.")
        switches = {**SHAPES[name], **given}
        widened = -(-self.dim // 3) * 8 if switches.get("gated", True) else 4 * self.dim
        return {
            **switches,
            "heads": self.heads,
            "kv_heads": self.kv_heads or self.heads,
            "head_dim": self.head_dim or self.dim // self.heads,
            "mlp_dim": self.mlp_dim or widened,
            "rope_theta": self.rope_theta,
            "pooler": pairs,
            "pair_head": pairs,
        }


@dataclass(frozen=True)
class PretrainSettings(ModelSettings):
    """Objective."""

    across_documents: bool = False
    """Let a model see from one document into the next in a row."""
    masked: float = 0.15
    """Encoder: share of the tokens that are hidden and predicted."""
    whole_words: bool = False
    """Encoder: hide all tokens of a word together."""
    pairs: bool = False
    """Encoder: learn also whether one stretch of text follows another (next-sentence prediction)."""
    prompt: str = ""
    """Start of the samples drawn at evaluations. Unset: the start of the validation text."""
    yardsticks: bool = True
    """Compare with an n-gram model, xz and bz2 on the validation text, in the report."""
