"""Tiny decoders that know one text by heart, each with a tokenizer, so that what comes next is never a near thing."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

import sentencepiece
import torch

from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.spec import TransformerSpec
from idiolect.nn.positions import RopeScaling
from idiolect.tokenizers.base import Tokenizer

TEXT = (
    "Once there was a fisherman in a naïve little town by the sea, and every morning, at 5:30, he went out in his boat."
    " It's said he'd never caught more than 12 fishes a day — until, in 1987, the sea gave him 1234 of them! 你好, he "
    "said."
)
TOKENIZERS: dict[str, dict[str, object]] = {
    "gpt2": {"kind": "bpe", "vocab_size": 320, "pattern": "gpt2"},
    "cl100k": {"kind": "bpe", "vocab_size": 320, "pattern": "cl100k"},
    "qwen2": {"kind": "bpe", "vocab_size": 320, "pattern": "qwen2"},
    "unigram": {"kind": "unigram", "vocab_size": 60, "mode": "sentencepiece", "byte_fallback": False},
}
SHAPES: dict[str, dict[str, object]] = {
    "qwen3": {},
    "qwen3, untied": {"tied": False},
    "qwen2": {"qk_norm": False, "biases": "qkv"},
    "llama": {"qk_norm": False, "norm_eps": 1e-5},
    "llama 3": {"qk_norm": False, "rope_scaling": RopeScaling("llama3", 8.0, 32), "rope_theta": 500.0},
    "linear": {"qk_norm": False, "rope_scaling": RopeScaling("linear", 2.0)},
    "yarn": {"rope_scaling": RopeScaling("yarn", 4.0, 32)},
    "mistral": {"qk_norm": False, "window": 100},
    "gpt2": {
        **{"positions": "learned", "norm": "layer", "qk_norm": False, "biases": "all", "gated": False},
        **{"activation": "gelu_tanh", "kv_heads": 4, "norm_eps": 1e-5},
    },
}


@cache
def tokenizer_of(name: str) -> Tokenizer:
    """A tokenizer learnt from the text; "sentencepiece" is BPE of characters as Llama 2 has it."""
    if name == "sentencepiece":
        file = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([TEXT] * 3),
            model_writer=file,
            model_type="bpe",
            vocab_size=360,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            minloglevel=2,
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "tokenizer.model")
            path.write_bytes(file.getvalue())
            return Tokenizer.load(path)
    return Tokenizer.train([TEXT] * 3, **TOKENIZERS[name])  # type: ignore[arg-type]


@cache
def speaker(shape: str, tokenizer: str = "gpt2", padding: int = 0) -> LanguageModel:
    """A model that has learnt the text, of a vocabulary with ids that stand for nothing."""
    own = tokenizer_of(tokenizer)
    sizes = {"layers": 2, "heads": 4, "kv_heads": 2, "dim": 64, "head_dim": 16, "mlp_dim": 96, "context": 128}
    model = build(TransformerSpec(own.vocab_size + padding, **sizes | SHAPES[shape]))  # type: ignore[arg-type]
    model.init_weights(seed=0)
    ids = torch.tensor([own.encode(TEXT)])[:, :129]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    return LanguageModel(model.eval(), own)
