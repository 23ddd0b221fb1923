"""The shapes of well-known models, by name: which of the Transformer's switches stand where. Sizes are the caller's."""

from __future__ import annotations

from typing import Any, Literal

ShapeName = Literal["qwen3", "qwen2", "llama", "mistral", "gpt2", "bert", "roberta", "modernbert"]

_BERT: dict[str, Any] = {
    "family": "encoder",
    "masked_head": True,
    "positions": "learned",
    "norm": "layer",
    "norm_place": "post",
    "norm_eps": 1e-12,
    "qk_norm": False,
    "biases": "all",
    "activation": "gelu",
    "gated": False,
    "embedding_norm": True,
    "types": 2,
}

SHAPES: dict[ShapeName, dict[str, Any]] = {
    "qwen3": {"family": "decoder"},
    "qwen2": {"family": "decoder", "qk_norm": False, "biases": "qkv"},
    "llama": {"family": "decoder", "qk_norm": False, "norm_eps": 1e-5},
    "mistral": {"family": "decoder", "qk_norm": False, "norm_eps": 1e-5, "window": 4096},
    "gpt2": {
        "family": "decoder",
        "positions": "learned",
        "norm": "layer",
        "norm_eps": 1e-5,
        "qk_norm": False,
        "biases": "all",
        "activation": "gelu_tanh",
        "gated": False,
    },
    "bert": _BERT,
    "roberta": {**_BERT, "norm_eps": 1e-5, "types": 1},
    "modernbert": {
        "family": "encoder",
        "masked_head": True,
        "norm": "layer",
        "norm_eps": 1e-5,
        "qk_norm": False,
        "activation": "gelu",
        "embedding_norm": True,
        "window": 128,
        "global_every": 3,
    },
}
"""What each differs in from the defaults of `TransformerSpec`, which are Qwen3's."""
