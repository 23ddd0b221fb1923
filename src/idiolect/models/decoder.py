"""The decoder: from tokens to the distribution of the next one, each position seeing only itself and its left.

Its shape is Qwen3's (Yang et al. 2025, "Qwen3 Technical Report", section 2), and its parts have the names a Hugging
Face folder gives them, so a stored weight and a parameter here are found by the same name.

Forwards a token costs 2 floating-point operations for each parameter it is multiplied by (all but the embedding, and a
tied head once) and 4 · layers · heads · head_dim for each position it sees; backwards twice as many.

Shapes: B rows, T positions, D model width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.errors import UsageError
from idiolect.models.spec import DecoderSpec, Model
from idiolect.nn.attention import Attention, causal_mask
from idiolect.nn.block import Block
from idiolect.nn.cache import KVCache
from idiolect.nn.mlp import SwiGLU
from idiolect.nn.norms import RMSNorm
from idiolect.nn.positions import Rotary


class Decoder(Model):
    """Embedding, blocks, a last norm, and a head that is the embedding once more where `spec.tied`.

    Example:
        >>> model = Decoder(DecoderSpec(vocab_size=65, context=64))
        >>> model.init_weights(seed=0)
        >>> model(torch.zeros(2, 7, dtype=torch.int64)).shape
        torch.Size([2, 7, 65])
    """

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embed_tokens = nn.Embedding(spec.vocab_size, spec.dim)
        self.rotary = Rotary(spec.context, spec.head_dim, spec.rope_theta)
        self.layers = nn.ModuleList(
            Block(
                Attention(spec.dim, spec.heads, spec.kv_heads, spec.head_dim, spec.norm_eps, layer),
                SwiGLU(spec.dim, spec.mlp_dim),
                spec.dim,
                spec.norm_eps,
                spec.dropout,
            )
            for layer in range(spec.layers)
        )
        self.norm = RMSNorm(spec.dim, spec.norm_eps)
        self.lm_head = None if spec.tied else nn.Linear(spec.dim, spec.vocab_size, bias=False)

    def hidden(self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Hidden states (B, T, D) after the last norm: each position's embedding in the light of what is to its left.

        Raises:
            UsageError: more positions than the model's context, those in the cache included.
        """
        assert segments_BT is None or cache is None, "a cache holds one text a row"
        positions = ids_BT.shape[1]
        held = 0 if cache is None else cache.length
        if held + positions > self.spec.context:
            raise UsageError(
                f"{held + positions} tokens are more than the model's context of {self.spec.context}; shorten the text."
            )
        tables = self.rotary(held, held + positions)
        mask = causal_mask(segments_BT, held, positions, ids_BT.device)
        hidden_BTD = self.embed_tokens(ids_BT)
        for block in self.layers:
            hidden_BTD = block(hidden_BTD, tables, mask, cache)
        if cache is not None:
            cache.advance(positions)
        normed_BTD: Tensor = self.norm(hidden_BTD)
        return normed_BTD

    def head(self, hidden_BTD: Tensor) -> Tensor:
        """Logits (B, T, V): the score of each token as the next one."""
        weight_VD = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        return F.linear(hidden_BTD, weight_VD)

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Set every parameter; the same seed gives the same weights, whatever else the process has drawn.

        | parameter              | initial values        | why                                                      |
        |------------------------|-----------------------|----------------------------------------------------------|
        | embed_tokens, tied     | normal, 2 / dim       | logits near 0, so the first loss is near log(vocab_size) |
        | embed_tokens, untied   | normal, 1             | learns faster than a small one (measured with Muon)      |
        | lm_head, untied        | normal, 1 / dim       | logits near 0                                            |
        | q_proj, k_proj, v_proj | normal, 1 / sqrt(dim) | what passes through keeps its size                       |
        | gate_proj, up_proj     | normal, 1 / sqrt(dim) | the same                                                 |
        | o_proj, down_proj      | 0                     | each block is the identity at first                      |
        | gains of the norms     | 1                     | they only normalise at first                             |
        """
        generator = torch.Generator().manual_seed(seed)
        dim = self.spec.dim
        for name, parameter in self.named_parameters():
            match name.split(".")[-2]:
                case "embed_tokens":
                    spread = 2 / dim if self.spec.tied else 1.0
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
                case "lm_head":
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) / dim)
                case "q_proj" | "k_proj" | "v_proj" | "gate_proj" | "up_proj":
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) / dim**0.5)
                case "o_proj" | "down_proj":
                    parameter.zero_()
                case _:
                    parameter.fill_(1.0)
