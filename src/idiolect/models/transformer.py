"""The Transformer: from tokens to hidden states, each position in the light of those it may see.

A decoder sees itself and its left, and its head scores each token as the next one. An encoder sees both sides, and its
head, where it has one, scores each token as the one that was masked. Everything else is the same, and is switched by
the shape (`TransformerSpec`).

Forwards a token costs 2 floating-point operations for each parameter it is multiplied by (all but the embedding, and a
tied head once) and 4 · layers · heads · head_dim for each position it sees; backwards twice as many.

Shapes: B rows, T positions, S positions asked, H heads, L layers, D model width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.errors import UsageError
from idiolect.models.model import Model, embedded
from idiolect.models.spec import TransformerSpec
from idiolect.nn import flex_attention
from idiolect.nn.attention import Attention, attention_weights
from idiolect.nn.block import Block
from idiolect.nn.cache import Cache, KVCache
from idiolect.nn.dropout import dropout
from idiolect.nn.masks import Sight, alibi_slopes, places_in_segments, sight
from idiolect.nn.mlp import MLP, GatedMLP, activate
from idiolect.nn.norms import LayerNorm, RMSNorm
from idiolect.nn.positions import Rotary, Tables, sinusoids


class Transformer(Model):
    """Embeddings, blocks, a last norm where the norms come first, and a head.

    Example:
        >>> model = Transformer(TransformerSpec(vocab_size=65, context=64))
        >>> model.init_weights(seed=0)
        >>> model(torch.zeros(2, 7, dtype=torch.int64)).shape
        torch.Size([2, 7, 65])
    """

    spec: TransformerSpec

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embed_tokens = nn.Embedding(spec.vocab_size, spec.dim)
        self.embed_positions = nn.Embedding(spec.context, spec.dim) if spec.positions == "learned" else None
        self.embed_types = nn.Embedding(spec.types, spec.dim) if spec.types else None
        self.embedding_norm = self._norm() if spec.embedding_norm else None
        self.rotary = None
        if spec.positions == "rotary":
            self.rotary = Rotary(spec.context, spec.head_dim, spec.rope_theta, spec.rope_scaling)
        self.layers = nn.ModuleList(self._block(layer) for layer in range(spec.layers))
        self.norm = self._norm() if spec.norm_place == "pre" else None
        headless = spec.tied or spec.head is not None
        self.lm_head = None if headless else nn.Linear(spec.dim, spec.vocab_size, bias=False)
        if spec.masked_head:
            self.head_dense = nn.Linear(spec.dim, spec.dim)
            self.head_norm = self._norm()
            self.head_bias = nn.Parameter(torch.zeros(spec.vocab_size))
        self.pooler = nn.Linear(spec.dim, spec.dim) if spec.pooler else None
        self.pair_head = nn.Linear(spec.dim, 2) if spec.pair_head else None

    def _norm(self) -> RMSNorm | LayerNorm:
        spec = self.spec
        if spec.norm == "rms":
            return RMSNorm(spec.dim, spec.norm_eps)
        return LayerNorm(spec.dim, spec.norm_eps, bias=spec.biases == "all")

    def _block(self, layer: int) -> Block:
        spec = self.spec
        qk_norm_eps = spec.norm_eps if spec.qk_norm else None
        mlp = GatedMLP if spec.gated else MLP
        return Block(
            Attention(
                spec.dim, spec.heads, spec.kv_heads, spec.head_dim, layer, biases=spec.biases, qk_norm_eps=qk_norm_eps
            ),
            mlp(spec.dim, spec.mlp_dim, spec.activation, bias=spec.biases == "all"),
            self._norm(),
            self._norm(),
            norm_place=spec.norm_place,
            residual=spec.residual,
            dropout=spec.dropout,
        )

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: Cache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        """Hidden states (B, T, D) after the last norm: each position's embedding in the light of what it may see.

        Raises:
            UsageError: more positions than the model's context, those in the cache included.
        """
        assert segments_BT is None or cache is None, "a cache holds one text a row"
        assert cache is None or isinstance(cache, KVCache), "a Transformer remembers keys and values"
        hidden_BTD, tables, sights = self._enter(ids_BT, segments_BT, cache, types_BT)
        for block, seen in zip(self.layers, sights):
            hidden_BTD = block(hidden_BTD, tables, seen, cache)
        if cache is not None:
            cache.advance(ids_BT.shape[1])
        return hidden_BTD if self.norm is None else self.norm(hidden_BTD)

    def attention_weights(self, ids_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """How much each position looks at each other one, for plots: (L, B, H, T, T), summing to 1 over the last.

        It computes the hidden states once more, and holds L · B · H · T² numbers.
        """
        hidden_BTD, tables, sights = self._enter(ids_BT, segments_BT, None, None, weighed=True)
        weights = []
        for block, seen in zip(self.layers, sights):
            assert isinstance(block, Block)
            read_BTD = block.attention_norm(hidden_BTD) if self.spec.norm_place == "pre" else hidden_BTD
            queries_BHTC, keys_BGTC, _ = block.attention.project(read_BTD, tables)
            weights.append(attention_weights(queries_BHTC, keys_BGTC, seen))
            hidden_BTD = block(hidden_BTD, tables, seen)
        return torch.stack(weights)

    def _enter(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None,
        cache: KVCache | None,
        types_BT: Tensor | None,
        *,
        weighed: bool = False,
    ) -> tuple[Tensor, Tables | None, list[Sight]]:
        """The embeddings, the rotary tables of their positions, and what each layer lets a position see.

        `weighed`: the weights of attention are wanted, and so masks that name every pair of positions.
        """
        spec = self.spec
        held, positions = 0 if cache is None else cache.length, ids_BT.shape[1]
        if held + positions > spec.context:
            raise UsageError(
                f"{held + positions} tokens are more than the model's context of {spec.context}; shorten the text."
            )
        hidden_BTD, starts_B = embedded(self.embed_tokens, ids_BT), None
        places = torch.arange(held, held + positions, device=ids_BT.device)
        if cache is not None and cache.starts is not None:  # rows of unequal length: each counts from its own start
            starts_B = torch.tensor(cache.starts, device=ids_BT.device)
            places = places - starts_B[:, None]
        if spec.positions in ("learned", "sinusoidal"):
            if segments_BT is not None:
                places = places_in_segments(segments_BT)
            if self.embed_positions is None:
                hidden_BTD = hidden_BTD + sinusoids(places, spec.dim).to(hidden_BTD.dtype)
            else:
                hidden_BTD = hidden_BTD + self.embed_positions(places)
        if self.embed_types is not None:
            hidden_BTD = hidden_BTD + self.embed_types(torch.zeros_like(ids_BT) if types_BT is None else types_BT)
        if self.embedding_norm is not None:
            hidden_BTD = self.embedding_norm(hidden_BTD)
        hidden_BTD = dropout(hidden_BTD, spec.dropout, self.training)

        whole = cache is None and not weighed
        by_blocks = whole and flex_attention.suits(
            ids_BT.device, len(ids_BT), positions, spec.head_dim, hidden_BTD.dtype
        )

        def seen(window: int) -> Sight:
            return sight(
                positions,
                causal=spec.family == "decoder",
                held=held,
                segments_BT=segments_BT,
                starts_B=starts_B,
                window=window,
                slopes_H=alibi_slopes(spec.heads).to(ids_BT.device) if spec.positions == "alibi" else None,
                by_blocks=by_blocks,
                device=ids_BT.device,
            )

        reaches = [0 if spec.global_every and n % spec.global_every == 0 else spec.window for n in range(spec.layers)]
        by_reach = {reach: seen(reach) for reach in set(reaches)}
        sights = [by_reach[reach] for reach in reaches]
        if self.rotary is None:
            return hidden_BTD, None, sights
        tables = self.rotary(held, held + positions) if starts_B is None else self.rotary.at(places)
        return hidden_BTD, tables, sights

    def head(self, hidden_BTD: Tensor) -> Tensor:
        """Logits (B, T, V): the score of each token as the next one, or as the masked one.

        Raises:
            UsageError: this encoder was made without a head for masked tokens.
        """
        weight_VD = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        if self.spec.family == "decoder":
            return F.linear(hidden_BTD, weight_VD)
        if not self.spec.masked_head:
            raise UsageError("This encoder has no head for masked tokens: it embeds text, and cannot fill masks.")
        activated_BTD = activate(self.head_dense(hidden_BTD), self.spec.activation)
        return F.linear(self.head_norm(activated_BTD), weight_VD, self.head_bias)

    def pooled(self, hidden_BTD: Tensor) -> Tensor:
        """One vector of each row (B, D), of its first position: tanh(W h + b) (Devlin et al. 2019, BERT)."""
        return self.pool(hidden_BTD[:, 0])

    def pool(self, hidden: Tensor) -> Tensor:
        """The same of any positions (…, D)."""
        if self.pooler is None:
            raise UsageError("This model has no pooler: take the mean of its hidden states.")
        return torch.tanh(self.pooler(hidden))

    def pair_logits(self, hidden_BTD: Tensor) -> Tensor:
        """(B, 2): the score of the second segment following the first, and of its being from elsewhere."""
        if self.pair_head is None:
            raise UsageError("This model does not judge pairs: train an encoder on pairs of sentences.")
        logits_B2: Tensor = self.pair_head(self.pooled(hidden_BTD))
        return logits_B2

    def new_cache(self, rows: int, length: int) -> KVCache:
        """Room for keys and values of `length` positions, at most the context."""
        spec, weights = self.spec, self.embed_tokens.weight
        if spec.family == "encoder":
            raise UsageError("An encoder does not continue text: it reads both sides. It can fill masks instead.")
        length = min(length, spec.context)
        return KVCache(
            spec.layers, rows, spec.kv_heads, length, spec.head_dim, dtype=weights.dtype, device=weights.device
        )

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Set every parameter; the same seed gives the same weights, whatever else the process has drawn.

        | parameter                  | initial values     | why                                                    |
        |----------------------------|--------------------|--------------------------------------------------------|
        | embed_tokens, tied         | normal, 2 / dim    | logits near 0: the first loss is near log(vocab_size)  |
        | embed_tokens, untied       | normal, 1          | learns faster than a small one (measured with Muon)    |
        | embed_positions, -_types   | as embed_tokens    | they are added to it                                   |
        | lm_head, untied            | normal, 1 / dim    | logits near 0                                          |
        | inner matrices             | normal, 1/sqrt dim | what passes through keeps its size                     |
        | o_proj, down_proj          | 0                  | each block is the identity at first                    |
        | the same, without residual | as inner matrices  | else nothing would pass                                |
        | gains of norms             | 1                  | they only normalise at first                           |
        | biases                     | 0                  | they only shift                                        |
        """
        generator = torch.Generator().manual_seed(seed)
        spec = self.spec

        def draw(parameter: Tensor, spread: float) -> None:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)

        for name, parameter in self.named_parameters():
            owner, kind = name.split(".")[-2:] if "." in name else ("", "bias")
            match owner:
                case _ if kind == "bias":
                    parameter.zero_()
                case "embed_tokens" | "embed_positions" | "embed_types":
                    draw(parameter, 2 / spec.dim if spec.tied else 1.0)
                case "lm_head":
                    draw(parameter, 1 / spec.dim)
                case "o_proj" | "down_proj" if spec.residual:
                    parameter.zero_()
                case _ if parameter.ndim == 2:
                    draw(parameter, spec.dim**-0.5)
                case _:
                    parameter.fill_(1.0)
