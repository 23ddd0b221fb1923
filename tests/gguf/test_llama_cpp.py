"""llama.cpp runs an exported model: the same ids, logits within what its arithmetic allows, the same greedy text."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pytest
import torch
from speakers import SHAPES, TEXT, TOKENIZERS, speaker, tokenizer_of

from idiolect.gguf.file import Type
from idiolect.language_model import LanguageModel
from idiolect.stages.export import write_gguf

llama_cpp = pytest.importorskip(
    "llama_cpp", reason="llama-cpp-python is not installed: make test-slow builds it (about five minutes)"
)
pytestmark = pytest.mark.slow

BOUNDS: dict[Type, float] = {"f32": 5e-5, "f16": 4e-2, "q8_0": 0.6}
"""Largest error of a logit, of logits that reach 10. (GPT-2's: llama.cpp looks gelu up in a table of 16 bits.)"""


def opened(model: LanguageModel, folder: Path, kept_as: Type = "f32"):
    """The model as llama.cpp has read it."""
    path = folder / "model.gguf"
    write_gguf(model, path, kept_as)
    f32 = llama_cpp.GGML_TYPE_F32  # keys and values are kept in 16 bits unless asked otherwise
    return llama_cpp.Llama(str(path), n_ctx=128, n_threads=1, logits_all=True, type_k=f32, type_v=f32, verbose=False)


def theirs_of(peer, ids: list[int]) -> torch.Tensor:
    """llama.cpp's logits of ids."""
    peer.reset()
    peer.eval(ids)
    return torch.from_numpy(np.array(peer.scores[: len(ids)]))


PROMPTS = ["Once there was a fisherman", TEXT[: TEXT.index(" he'd never")]]


def greedy(peer, prompt: str, steps: int) -> str:
    """What llama.cpp says after a prompt, the likeliest token each time."""
    ids = peer.tokenize(prompt.encode(), add_bos=False)
    peer.reset()
    said = []
    for token, _ in zip(peer.generate(ids, top_k=1, temp=0.0, repeat_penalty=1.0), range(steps)):
        said.append(token)
    raw = peer.detokenize(said, prev_tokens=ids)
    return codecs.getincrementaldecoder("utf-8")("replace").decode(raw)  # a character left unfinished is left out


@pytest.mark.parametrize("kept_as", ["f32", "f16", "q8_0"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(tmp_path: Path, shape: str, kept_as: Type) -> None:
    model = speaker(shape)
    peer = opened(model, tmp_path, kept_as)
    ids = model.tokenizer.encode(TEXT)[:100]
    with torch.no_grad():
        ours = model.model(torch.tensor([ids]))[0]
    theirs = theirs_of(peer, ids)
    bound = BOUNDS[kept_as]
    if shape == "gpt2":
        bound = max(bound, 2e-2)
    assert (theirs - ours).abs().max() < bound
    for prompt in PROMPTS:
        said = greedy(peer, prompt, 30)
        assert said == model.complete(prompt, max_tokens=30, temperature=0) != ""
        assert (prompt + said)[: len(TEXT)] in TEXT, "it knows the text by heart"


ODD = "fisherman's  boat,\n\n   1234567 fish?!   \tHE'LL naïve — 你好 🙂👩‍👩‍👧 <|endoftext|> \u00a0x\r\n it's 3.14  "


@pytest.mark.parametrize("name", [*TOKENIZERS, "sentencepiece"])
def test_every_tokenizer_has_the_same_ids(tmp_path: Path, name: str) -> None:
    peer = opened(speaker("llama", name, padding=5), tmp_path)
    tokenizer = tokenizer_of(name)
    for text in (TEXT, ODD, TEXT.upper(), " a", "a ", "sea\nsea", "12 345 6789"):
        assert peer.tokenize(text.encode(), add_bos=False, special=False) == tokenizer.encode(text), text


@pytest.mark.parametrize("name", ["cl100k", "qwen2", "sentencepiece", "unigram"])
def test_a_model_speaks_through_every_tokenizer(tmp_path: Path, name: str) -> None:
    model = speaker("llama", name)
    peer = opened(model, tmp_path)
    for prompt in PROMPTS:
        said, ours = greedy(peer, prompt, 20), model.complete(prompt, max_tokens=20, temperature=0)
        if model.tokenizer.drops_first_space:  # of a completion too, which llama.cpp gives as it is
            said = said.removeprefix(" ")
        assert said == ours != ""
