"""`export`: a whole file or none, a folder that transformers reads, and refusals with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

import gguf
from idiolect import cli
from idiolect.errors import ArtifactError, IdiolectError, ModelError, TokenizerError
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.spec import RecurrentSpec, TransformerSpec
from idiolect.nn.positions import RopeScaling
from idiolect.stages.export import export, write_gguf
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.finding import Strip

TEXT = "To be, or not to be: that is the question. " * 5
BPE = Tokenizer.train([TEXT], kind="bpe", vocab_size=280)
GPT2 = {
    **{"positions": "learned", "norm": "layer", "qk_norm": False, "biases": "all", "gated": False, "kv_heads": 2},
    "activation": "gelu_tanh",
}


def language_model(tokenizer: Tokenizer = BPE, padding: int = 0, **shape: object) -> LanguageModel:
    """A tiny model of a shape."""
    sizes = {"context": 16, "layers": 2, "heads": 2, "kv_heads": 1, "dim": 32, "head_dim": 16, "mlp_dim": 32}
    model = build(TransformerSpec(tokenizer.vocab_size + padding, **sizes | shape))  # type: ignore[arg-type]
    model.init_weights(seed=0)
    return LanguageModel(model.eval(), tokenizer)


@pytest.mark.parametrize("shape", [{}, {"tied": False}, {"qk_norm": False, "window": 9}, GPT2], ids=str)
def test_the_file_tells_the_model(tmp_path: Path, shape: dict[str, object]) -> None:
    model = language_model(padding=3, **shape)
    model.save(tmp_path / "model")
    assert cli.main(["export", str(tmp_path / "model"), "--out", str(tmp_path / "m.gguf"), "--type", "q8_0"]) == 0
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    kind = reader.fields["general.architecture"].contents()
    assert kind == ("gpt2" if shape is GPT2 else "llama" if "window" in shape else "qwen3")
    assert reader.fields[f"{kind}.context_length"].contents() == (9 if "window" in shape else 16)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    assert len(tokens) == 283 and len(set(tokens)) == 283 and tokens[0] == "<|endoftext|>"
    assert reader.fields["tokenizer.ggml.eos_token_id"].contents() == 0
    names = {tensor.name for tensor in reader.tensors}
    assert ("output.weight" in names) == (shape == {"tied": False})
    numbers = sum(tensor.n_elements for tensor in reader.tensors)
    assert numbers == sum(parameter.numel() for parameter in model.model.parameters())


ODD = {
    "alibi": {"positions": "alibi"},
    "sinusoidal": {"positions": "sinusoidal"},
    "none": {"positions": "none"},
    "learned positions": {"positions": "learned"},
    "residual": {"residual": False},
    "norms after": {"norm_place": "post"},
    "LayerNorm": {"norm": "layer"},
    "SwiGLU": {"gated": False},
    "see far": {"window": 4, "global_every": 2},
    "mixture": {"window": 4},
    "bends by gelu_tanh": {**GPT2, "activation": "gelu"},
    "rule llama3": {"rope_scaling": RopeScaling("llama3", 2.0, 8)},
    "usual constants": {"rope_scaling": RopeScaling("yarn", 2.0, 8, beta_fast=20.0)},
    "family encoder": {"family": "encoder", "masked_head": True},
}


@pytest.mark.parametrize(("said", "shape"), ODD.items(), ids=ODD.keys())
def test_what_llama_cpp_cannot_compute_is_refused(tmp_path: Path, said: str, shape: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        write_gguf(language_model(**shape), tmp_path / "m.gguf", "f16")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


TOKENIZERS = {
    "of kind words": Tokenizer.train([TEXT], kind="words", vocab_size=40),
    "of kind characters": Tokenizer.train([TEXT], kind="characters"),
    "pattern o200k": Tokenizer.train([TEXT], kind="bpe", vocab_size=280, pattern="o200k"),
    "no tokens for bytes, and this one has": Tokenizer.train([TEXT], kind="unigram", vocab_size=280),
    "only marks spaces, and this one joins them": Tokenizer.train(
        [TEXT], kind="bpe", vocab_size=280, ties="sentencepiece", byte_fallback=True
    ),
    "this one has no tokens for bytes": Tokenizer.train([TEXT], kind="bpe", vocab_size=30, ties="sentencepiece"),
}
LEARNT = BytePairTokenizer.learn([TEXT], vocab_size=280, pattern="gpt2", ties="first")
CUT = BytePairTokenizer(
    LEARNT.pieces, LEARNT.merges, pattern="gpt2", cuts=["digit"], special_tokens=LEARNT.special_tokens
)
NEW = LEARNT.vocab_size
TOKENIZERS |= {
    "this one cuts before that": CUT,
    "nor do they stand alone": ExtendedTokenizer(
        LEARNT, {"<new>": NEW}, LEARNT.special_tokens, strips={"<new>": Strip(alone=True)}
    ),
}


@pytest.mark.parametrize(("said", "tokenizer"), TOKENIZERS.items(), ids=TOKENIZERS.keys())
def test_a_tokenizer_with_other_ids_there_is_refused(tmp_path: Path, said: str, tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match=said):
        write_gguf(language_model(tokenizer), tmp_path / "m.gguf", "f16")
    assert not list(tmp_path.iterdir())


def test_special_and_added_tokens_have_their_kinds(tmp_path: Path) -> None:
    tokenizer = BPE.extend(["<think>"]).extend(["<|turn|>"], special=True)
    write_gguf(language_model(tokenizer), tmp_path / "m.gguf", "f32")
    kinds = gguf.GGUFReader(tmp_path / "m.gguf").fields["tokenizer.ggml.token_type"].contents()
    assert (kinds[0], kinds[1], kinds[280], kinds[281]) == (3, 1, 4, 3)


def test_a_folder_for_transformers(tmp_path: Path) -> None:
    model = language_model(**GPT2)
    model.save(tmp_path / "model")
    export(str(tmp_path / "model"), format="huggingface", out=tmp_path / "theirs")
    ids = torch.tensor([BPE.encode("To be, or not")])
    peer = AutoModelForCausalLM.from_pretrained(tmp_path / "theirs")
    with torch.no_grad():
        torch.testing.assert_close(peer(ids).logits, model.model(ids), atol=1e-5, rtol=0)
    language_model(positions="alibi").save(tmp_path / "own")
    with pytest.raises(ModelError, match="only this package reads"):
        export(str(tmp_path / "own"), format="huggingface", out=tmp_path / "never")


def test_what_stands_there_is_kept_unless_forced(tmp_path: Path) -> None:
    language_model().save(tmp_path / "model")
    out = tmp_path / "m.gguf"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(ArtifactError, match="exists already"):
        export(str(tmp_path / "model"), out=out)
    assert out.read_text(encoding="utf-8") == "mine"
    export(str(tmp_path / "model"), out=out, force=True)
    assert out.read_bytes()[:4] == b"GGUF"
    with pytest.raises(IdiolectError):
        export(str(tmp_path / "model"), out=tmp_path / "model" / "config.json" / "m.gguf")


def test_a_recurrent_network_is_refused(tmp_path: Path) -> None:
    spec = RecurrentSpec(BPE.vocab_size, context=16, layers=1, dim=8)
    try:
        model = build(spec)
    except IdiolectError:
        pytest.skip("recurrent networks are not built yet")
    with pytest.raises(ModelError, match="lstm"):
        write_gguf(LanguageModel(model, BPE), tmp_path / "m.gguf", "f16")
