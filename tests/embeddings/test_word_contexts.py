"""Words by their contexts: means are those of a loop over all places, however texts are cut, batched and stopped."""

from __future__ import annotations

import signal
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from idiolect.embeddings import word_contexts
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.word_contexts import Averaging, average_in_batches, contextual_vectors
from idiolect.embeddings.words import RuleWords
from idiolect.errors import ArtifactError, Interrupted, ModelError
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.shapes import SHAPES
from idiolect.models.spec import RecurrentSpec, Spec, TransformerSpec
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.wordpiece import WordPieceTokenizer

TEXTS = [
    "The king and the queen didn’t go; the naïve king's café was shut.",
    "A queen, the cafe.",
    "",
    "  \n",
    "The king went out. " * 9,
] * 3
BPE = Tokenizer.train(TEXTS, kind="bpe", vocab_size=290)
PIECES = "[UNK] [CLS] [SEP] [MASK] the king and queen didn ' t go ; naive s cafe was shut . a , went ou ##t".split()
SPECIAL = {name: number for number, name in enumerate(PIECES[:4])}
BERT = WordPieceTokenizer(PIECES, unknown=0, special_tokens=SPECIAL).with_frame(Frame.bert())


def made(spec: Spec) -> Model:
    model = build(spec)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model.eval()


def decoder(tokenizer: Tokenizer = BPE, context: int = 64) -> Model:
    return made(TransformerSpec(tokenizer.vocab_size, context, layers=1, heads=2, kv_heads=1, dim=16, head_dim=8))


def encoder(context: int = 64) -> Model:
    sizes = {"layers": 1, "heads": 2, "kv_heads": 2, "dim": 16, "head_dim": 8, "mlp_dim": 32}
    return made(TransformerSpec(BERT.vocab_size, context, **sizes, **SHAPES["bert"]))


KINDS = {
    "decoder": lambda: (decoder(), BPE),
    "recurrent": lambda: (made(RecurrentSpec(BPE.vocab_size, 16, layers=1, dim=16, family="gru")), BPE),
    "encoder": lambda: (encoder(), BERT),
}


def by_hand(model: Model, tokenizer: Tokenizer, cutter: RuleWords, texts: list[str]) -> dict[str, list[np.ndarray]]:
    """The mean hidden state of each word at each place, text by text, in one window."""
    found = defaultdict(list)
    for text in texts:
        places = tokenizer.encode_with_offsets(text)
        framed = tokenizer.framed(places.ids).ids if tokenizer is BERT else [tokenizer.end_of_text, *places.ids]
        with torch.no_grad():
            hidden = model.hidden(torch.tensor([framed]))[0, 1:].double().numpy()
        for word, start, end in cutter.places(text):
            inside = [n for n, (first, last) in enumerate(places.characters) if first < end and last > start]
            found[word].append(hidden[inside].mean(axis=0))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("characters", [1, 2**14])
def test_means_are_those_of_a_loop(kind: str, characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_contexts, "_POSITIONS", 40)
    model, tokenizer = KINDS[kind]()
    cutter = RuleWords("letters")
    wanted = by_hand(model, tokenizer, cutter, TEXTS)
    averaging = Averaging(model, tokenizer, cutter, list(wanted))
    for start in range(0, len(TEXTS), 1 if characters == 1 else len(TEXTS)):
        averaging.read(TEXTS[start : start + (1 if characters == 1 else len(TEXTS))])
    vectors, spread = averaging.vectors(), averaging.spread()
    assert set(vectors.words) == set(wanted) and {"didn't", "king's", "café", "cafe"} < set(vectors.words)
    assert vectors.counts is not None and (np.diff(vectors.counts) <= 0).all()
    for word, count, one in zip(vectors.words, vectors.counts, spread):
        places = np.array(wanted[word])
        assert len(places) == count
        np.testing.assert_allclose(vectors.vector(word), places.mean(axis=0), atol=2e-5)
        assert one == pytest.approx(1 - (places.mean(axis=0) ** 2).sum() / (places**2).sum(axis=1).mean(), abs=1e-4)


@pytest.mark.parametrize("context", [7, 12, 30])
def test_in_windows_every_word_is_met_as_often_as_it_stands_there(context: int) -> None:
    texts = ["The king and a queen went. " * 20]
    found = contextual_vectors(decoder(context=context), BPE, lambda: texts, min_count=1)
    assert found.counts is not None and set(found.counts.tolist()) == {20} and len(found) == 6


@pytest.mark.parametrize("context", [5, 7, 12])
def test_the_tokens_of_a_place_in_a_window_spell_the_word(context: int) -> None:
    """Also of a word that is longer than half a window, which may be whole in none."""
    text = "The queen's kingdomless queen and the kingking went out out. " * 5
    words = sorted({word for word, _, _ in RuleWords().places(text)})
    met = set()
    for window in Averaging(decoder(context=context), BPE, RuleWords(), words)._windows(text):
        assert len(window.ids) <= context
        for row, first, end in window.words:
            spelt = b"".join(map(BPE.token_bytes, window.ids[first:end])).decode().lower()
            assert words[row] in spelt and len(spelt) < len(words[row]) + 3
            met.add(words[row])
    assert {"the", "queen", "and"} <= met and (len(met) == len(words)) is (context == 12)


def test_a_tokenizer_that_does_not_tell_places_is_asked_what_its_tokens_stand_for() -> None:
    class Silent(WordPieceTokenizer):
        def ordinary_lengths(self, text: str) -> tuple[list[int], list[int]]:
            return Tokenizer.ordinary_lengths(self, text)

    silent = Silent(PIECES, unknown=0, special_tokens=SPECIAL).with_frame(Frame.bert())
    found = contextual_vectors(encoder(), silent, lambda: TEXTS, min_count=1)
    assert "queen" in found and "café" not in found and found.counts is not None  # it is cafe there
    assert found.counts[found.row("queen")] == 6


def test_a_text_without_end_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_contexts, "_CHARACTERS", 50)
    for text in ("one two three\n" * 40, "one two three " * 40, "x" * 400, "", "short"):
        parts = list(word_contexts._parts(text))
        assert "".join(parts) == text and max(map(len, parts)) <= 100
        assert all(part[-1] in "\n x" for part in parts[:-1])


def averaged(folder: Path, model: Model | None = None) -> Vectors:
    folder.mkdir(exist_ok=True)
    averaging = Averaging(model or decoder(), BPE, RuleWords(), ["the", "king", "queen"])
    average_in_batches(averaging, iter(TEXTS), folder, occurrences=30, checkpoint_every=1e-9)
    return averaging.vectors()


@pytest.mark.parametrize("stopped_at", [1, 4])
def test_stopped_and_resumed_is_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int) -> None:
    monkeypatch.setattr(word_contexts, "_CHARACTERS", 30)
    whole = averaged(tmp_path / "whole")
    read, calls = Averaging.read, 0

    def reading(self: Averaging, texts: list[str]) -> int:
        nonlocal calls
        calls += 1
        if calls == stopped_at:
            signal.raise_signal(signal.SIGINT)
        return read(self, texts)

    with monkeypatch.context() as patched:
        patched.setattr(Averaging, "read", reading)
        with pytest.raises(Interrupted, match="and saved: the same command goes on") as stopped:
            averaged(tmp_path / "cut")
    assert stopped.value.exit_code == 130
    resumed = averaged(tmp_path / "cut")
    assert resumed.words == whole.words
    np.testing.assert_array_equal(resumed.matrix, whole.matrix)
    np.testing.assert_array_equal(resumed.counts, whole.counts)
    lines = [(tmp_path / name / "metrics.jsonl").read_text().count("\n") for name in ("whole", "cut")]
    assert lines[0] == lines[1]
    (checkpoint,) = (tmp_path / "cut" / "checkpoints").iterdir()
    (checkpoint / "sums.f64").write_bytes(b"x" + (checkpoint / "sums.f64").read_bytes()[1:])
    with pytest.raises(ArtifactError, match="is damaged: delete that folder"):
        averaged(tmp_path / "cut")


def test_hidden_states_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = decoder()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="not all numbers"):
        averaged(tmp_path / "run", model)
