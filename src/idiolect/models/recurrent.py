"""The recurrent network: each position's state is made of the one before it and of its token, left to right.

It has no window: a text may be as long as one likes, and what it remembers of it always has the same size. Documents
that share a row do not know of each other: the state starts from zero at the first token of each.

Forwards a token costs 2 floating-point operations for each parameter but the embedding (a tied head once); backwards
twice as many. The positions of a row come one after the other, so many short rows are faster than few long ones.

Shapes: B rows, T positions, N = B · T positions packed, P pieces, S tensors of a state, D width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.model import Model, embedded
from idiolect.models.spec import RecurrentSpec
from idiolect.nn.cache import Cache, RecurrentState
from idiolect.nn.dropout import dropout
from idiolect.nn.recurrent import PARTS, Pieces, RecurrentLayer, cut


class Recurrent(Model):
    """Embeddings, layers of a simple recurrent network, an LSTM or a GRU, and a head.

    Embeddings that are the head's too are small, as logits must be; they are multiplied by √dim when they are read
    (Vaswani et al. 2017, section 3.4).

    Dropout acts on the embeddings and behind each layer, never from state to state (Zaremba et al. 2014, "Recurrent
    Neural Network Regularization"); `weight_drop` is for that.

    Example:
        >>> model = Recurrent(RecurrentSpec(vocab_size=65, context=64, family="gru"))
        >>> model.init_weights(seed=0)
        >>> model(torch.zeros(2, 7, dtype=torch.int64)).shape
        torch.Size([2, 7, 65])
    """

    spec: RecurrentSpec

    def __init__(self, spec: RecurrentSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embed_tokens = nn.Embedding(spec.vocab_size, spec.dim)
        self.layers = nn.ModuleList(
            RecurrentLayer(spec.dim, spec.family, spec.bend, spec.weight_drop) for _ in range(spec.layers)
        )
        headless = spec.tied or spec.head is not None
        self.lm_head = None if headless else nn.Linear(spec.dim, spec.vocab_size, bias=False)

    @property
    def window(self) -> None:
        """A row may have as many positions as one likes."""
        return None

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: Cache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        """The states (B, T, D) of the last layer.

        Segments and a cache may come together: segment 0 goes on from the cache, and every other is a document that
        begins in this row. Without a cache, every segment begins in this row.
        """
        assert cache is None or isinstance(cache, RecurrentState), "a recurrent network remembers its state"
        state = cache if cache is not None else self.new_cache(len(ids_BT))
        pieces = None if segments_BT is None else cut(segments_BT)
        goes_on_B = None if segments_BT is None or cache is None else segments_BT[:, 0] == 0
        hidden = embedded(self.embed_tokens, ids_BT.T if pieces is None else ids_BT.flatten()[pieces.places_N])
        if self.spec.tied:
            hidden = hidden * self.spec.dim**0.5
        hidden = self._drop(hidden, pieces)
        for number, layer in enumerate(self.layers):
            state_SBD = state.layer(number)
            if pieces is None:
                hidden, state_SBD = layer(hidden, state_SBD)
            else:
                state_SPD = state_SBD.new_zeros(len(state_SBD), pieces.count, self.spec.dim)
                if goes_on_B is not None:
                    state_SPD[:, pieces.firsts_B] = state_SBD * goes_on_B[:, None]
                hidden, state_SPD = layer(hidden, state_SPD, pieces)
                state_SBD = state_SPD[:, pieces.lasts_B]
            state.put(number, state_SBD)
            hidden = self._drop(hidden, pieces)
        state.advance(ids_BT.shape[1])
        if pieces is None:
            return hidden.transpose(0, 1)
        unpacked_ND = torch.empty_like(hidden).index_copy(0, pieces.places_N, hidden)
        return unpacked_ND.view(*ids_BT.shape, self.spec.dim)

    def _drop(self, hidden: Tensor, pieces: Pieces | None) -> Tensor:
        """Dropout of (T, B, D), or packed (N, D): at each position anew, or one draw for all positions of a piece."""
        share = self.spec.dropout
        if not self.spec.variational or not self.training or not share:
            return dropout(hidden, share, self.training)
        if pieces is None:
            return hidden * dropout(torch.ones_like(hidden[:1]), share, training=True)
        return hidden * dropout(hidden.new_ones(pieces.count, self.spec.dim), share, training=True)[pieces.pieces_N]

    def head(self, hidden_BTD: Tensor) -> Tensor:
        """Logits (B, T, V): the score of each token as the next one."""
        return F.linear(hidden_BTD, self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight)

    def new_cache(self, rows: int, length: int = 0) -> RecurrentState:
        """A state of zeros for `rows` rows; it has the same size whatever the length."""
        spec, weights = self.spec, self.embed_tokens.weight
        parts = PARTS[spec.family]
        return RecurrentState(spec.layers, parts, rows, spec.dim, dtype=weights.dtype, device=weights.device)

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Set every parameter; the same seed gives the same weights, whatever else the process has drawn.

        | parameter              | initial values     | why                                               |
        |------------------------|--------------------|---------------------------------------------------|
        | embed_tokens, tied     | normal, 1/sqrt dim | logits near 0; what is read is 1 when multiplied  |
        | embed_tokens, untied   | normal, 1          | what is read is of the size of a state            |
        | lm_head, untied        | normal, 1 / dim    | logits near 0                                     |
        | weight_ih              | normal, 1/sqrt dim | what passes through keeps its size                |
        | weight_hh              | each orthogonal    | a state neither dies nor grows (Saxe et al. 2014) |
        | an LSTM's forget gates | bias 1             | it remembers at first (Jozefowicz et al. 2015)    |
        | other biases           | 0                  | they only shift                                   |
        """
        generator = torch.Generator().manual_seed(seed)
        spec = self.spec

        def draw(parameter: Tensor, spread: float) -> None:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)

        draw(self.embed_tokens.weight, spec.dim**-0.5 if spec.tied else 1.0)
        if self.lm_head is not None:
            draw(self.lm_head.weight, 1 / spec.dim)
        for layer in self.layers:
            assert isinstance(layer, RecurrentLayer)
            draw(layer.weight_ih, spec.dim**-0.5)
            for gate_DD in torch.split(layer.weight_hh, spec.dim):
                nn.init.orthogonal_(gate_DD, generator=generator)
            layer.bias_ih.zero_()
            layer.bias_hh.zero_()
            if spec.family == "lstm":
                layer.bias_ih[spec.dim : 2 * spec.dim] = 1.0
