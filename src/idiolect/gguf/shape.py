"""A decoder as llama.cpp knows it: which architecture it is there, its sizes, and its tensors by their names there.

| here             | there | what is done to it                                                          |
|------------------|-------|-----------------------------------------------------------------------------|
| Llama, Mistral   | llama | rows of queries and keys in another order: pairs that turn stand side by side |
| Qwen2, Qwen3     | same  | nothing                                                                     |
| GPT-2            | gpt2  | queries, keys and values in one matrix                                      |

The copies made of some matrices cost at most a quarter of the model in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from idiolect.errors import ModelError
from idiolect.gguf.file import Value
from idiolect.models.architectures import gpt2, llama
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.nn.positions import RopeScaling


def described(model: Model) -> dict[str, Value]:
    """The architecture and its sizes, as metadata.

    Raises:
        ModelError: llama.cpp has no model that computes the same; the message says why.
    """
    spec, kind = model.spec, _architecture(model)
    assert isinstance(spec, TransformerSpec)
    context = min(spec.context, spec.window) if spec.window else spec.context  # within the window all is seen
    sizes: dict[str, Value] = {
        "context_length": context,
        "embedding_length": spec.dim,
        "block_count": spec.layers,
        "feed_forward_length": spec.mlp_dim,
        "attention.head_count": spec.heads,
        "attention.head_count_kv": spec.kv_heads,
        "vocab_size": spec.vocab_size,
    }
    if kind == "gpt2":
        sizes["attention.layer_norm_epsilon"] = spec.norm_eps
    else:
        sizes |= {
            "attention.key_length": spec.head_dim,
            "attention.value_length": spec.head_dim,
            "attention.layer_norm_rms_epsilon": spec.norm_eps,
            "rope.dimension_count": spec.head_dim,
            "rope.freq_base": spec.rope_theta,
        }
        if spec.rope_scaling is not None:
            sizes |= _scaling(spec.rope_scaling, kind)
    return {"general.architecture": kind, **{f"{kind}.{name}": value for name, value in sizes.items()}}


def tensors(model: Model) -> dict[str, Tensor]:
    """The tensors by llama.cpp's names; a tied head is not written twice."""
    spec, kind = model.spec, _architecture(model)
    assert isinstance(spec, TransformerSpec)
    held: dict[str, Tensor] = {name: parameter.detach() for name, parameter in model.named_parameters()}
    found: dict[str, Tensor] = {}
    if spec.rope_scaling is not None and spec.rope_scaling.kind == "llama3":
        found["rope_freqs.weight"] = _slowed(spec, spec.rope_scaling)
    for name, tensor in held.items():
        part, _, field = name.rpartition(".")
        if part in _OUTSIDE:
            found[f"{_OUTSIDE[part]}.{field}"] = tensor
            continue
        _, layer, within = part.split(".", 2)
        if kind == "gpt2" and within in _FUSED:
            if within == _FUSED[0]:
                three = [held[f"layers.{layer}.{one}.{field}"] for one in _FUSED]
                found[f"blk.{layer}.attn_qkv.{field}"] = torch.cat(three)
            continue
        if kind == "llama" and within in _FUSED[:2]:
            tensor = _side_by_side(tensor, spec.head_dim)
        found[f"blk.{layer}.{_INSIDE[within]}.{field}"] = tensor
    return found


_OUTSIDE = {
    "embed_tokens": "token_embd",
    "embed_positions": "position_embd",
    "norm": "output_norm",
    "lm_head": "output",
}
_FUSED = ("attention.q_proj", "attention.k_proj", "attention.v_proj")
_INSIDE = {
    "attention_norm": "attn_norm",
    "attention.q_proj": "attn_q",
    "attention.k_proj": "attn_k",
    "attention.v_proj": "attn_v",
    "attention.o_proj": "attn_output",
    "attention.q_norm": "attn_q_norm",
    "attention.k_norm": "attn_k_norm",
    "mlp_norm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def _architecture(model: Model) -> str:
    """llama.cpp's name for a shape."""
    spec = model.spec
    if not isinstance(spec, TransformerSpec) or spec.family != "decoder":
        raise ModelError(f"GGUF is written of decoders, and this model is of the family {spec.family}.")
    if spec.head is not None:
        raise ModelError("GGUF is written of models that continue text, and this one gives labels.")
    fields: dict[str, Any] | None = llama.written(spec) or gpt2.written(spec)
    if fields is None:
        raise ModelError(
            f"llama.cpp has no model that computes the same: this one has {_odd(spec)}. It knows the shapes of Llama, "
            "Mistral, Qwen2, Qwen3 and GPT-2."
        )
    if fields["model_type"] == "gpt2" and spec.activation != "gelu_tanh":
        raise ModelError(f"llama.cpp's GPT-2 bends by gelu_tanh, and this model by {spec.activation}.")
    return "llama" if fields["model_type"] == "mistral" else str(fields["model_type"])


def _odd(spec: TransformerSpec) -> str:
    """What keeps a shape from being one of those."""
    if spec.positions in ("alibi", "sinusoidal", "none"):
        return f"positions of the kind {spec.positions}"
    if spec.positions == "learned":
        return "learned positions, and is not GPT-2's in all else"
    for odd, words in (
        (not spec.residual, "no residual connections"),
        (spec.norm_place == "post", "its norms after each part"),
        (spec.norm != "rms", "LayerNorm with rotary positions"),
        (not spec.gated or spec.activation != "silu", "a feed-forward layer other than SwiGLU"),
        (spec.global_every > 0, "layers that see far among others that do not"),
        (spec.embedding_norm, "a norm of its embeddings"),
    ):
        if odd:
            return words
    return "a mixture of biases, QK-norm and window that none of them has"


def _scaling(scaling: RopeScaling, kind: str) -> dict[str, Value]:
    if scaling.kind == "linear":
        return {"rope.scaling.type": "linear", "rope.scaling.factor": scaling.factor}
    if scaling.kind == "dynamic":
        return {}  # within the context nothing is stretched
    if scaling.kind == "longrope":
        raise ModelError("llama.cpp stretches positions by the rule longrope in other architectures alone.")
    if scaling.kind == "llama3":
        if kind != "llama":
            raise ModelError(f"llama.cpp stretches positions by the rule llama3 in Llama alone, not in {kind}.")
        return {}  # told by a tensor
    usual = RopeScaling("yarn", scaling.factor, scaling.original_context)  # llama.cpp's own constants are these
    if replace(scaling, attention_factor=None) != usual or scaling.size != usual.size:
        raise ModelError("llama.cpp knows the rule yarn with its usual constants only, and this model has others.")
    return {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": scaling.factor,
        "rope.scaling.original_context_length": scaling.original_context,
    }


def _slowed(spec: TransformerSpec, scaling: RopeScaling) -> Tensor:
    """By what the angle of each pair of channels is divided."""
    speeds_c = 1.0 / spec.rope_theta ** (torch.arange(0, spec.head_dim, 2, dtype=torch.float32) / spec.head_dim)
    return speeds_c / scaling.stretched(speeds_c, spec.rope_theta)


def _side_by_side(weight_ND: Tensor, head_dim: int) -> Tensor:
    """Rows of each head so that channels i and i + C/2, which turn together, follow each other."""
    columns = weight_ND.shape[1]
    return weight_ND.view(-1, 2, head_dim // 2, columns).transpose(1, 2).reshape(-1, columns)
