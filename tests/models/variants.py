"""One shape of a Transformer for each thing that can be switched, and some that switch several."""

from __future__ import annotations

from idiolect.nn.positions import RopeScaling

DECODERS: dict[str, dict[str, object]] = {
    "qwen3": {},
    "no positions": {"positions": "none"},
    "learned positions": {"positions": "learned"},
    "sinusoidal": {"positions": "sinusoidal"},
    "alibi": {"positions": "alibi"},
    "stretched": {"rope_scaling": RopeScaling("linear", 2.0)},
    "layer norm": {"norm": "layer"},
    "post-norm": {"norm_place": "post"},
    "no residual": {"residual": False},
    "no qk-norm": {"qk_norm": False},
    "biases": {"biases": "all", "norm": "layer"},
    "biases of q, k, v": {"biases": "qkv", "qk_norm": False},
    "gelu, ungated": {"activation": "gelu", "gated": False},
    "relu2, ungated": {"activation": "relu2", "gated": False},
    "window": {"window": 3},
    "window, some global": {"window": 3, "global_every": 2, "layers": 3},
    "embedding norm": {"embedding_norm": True},
    "gpt2": {
        **{"positions": "learned", "norm": "layer", "qk_norm": False, "biases": "all", "gated": False},
        **{"activation": "gelu_tanh", "kv_heads": 4},
    },
}
ENCODERS: dict[str, dict[str, object]] = {
    "modern": {"family": "encoder", "masked_head": True, "activation": "gelu", "window": 4, "global_every": 2},
    "bert": {
        **{"family": "encoder", "masked_head": True, "pooler": True, "pair_head": True, "types": 2, "kv_heads": 4},
        **{"positions": "learned", "norm": "layer", "norm_place": "post", "qk_norm": False, "biases": "all"},
        **{"gated": False, "activation": "gelu", "embedding_norm": True},
    },
}
