"""Figures of a training from its records, means and spreads over seeds, and which is best."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from idiolect.comparing.columns import BITS, LOSS, MEMORY, SPEED, TOKENS, known
from idiolect.comparing.outcomes import Compared, Outcome, Training
from idiolect.comparing.settings import CompareSettings
from idiolect.comparing.variants import Variant, variants_of
from idiolect.config import build
from idiolect.errors import ArtifactError
from idiolect.evaluation.perplexity import Score
from idiolect.pretraining.run import Trained
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.loop import Run


@pytest.fixture
def variant(tokenizer: Tokenizer) -> Variant:
    return variants_of(build(CompareSettings, {"models": "gru,rnn", "batch": 2, "context": 5}), tokenizer)[0]


def kept(folder: Path, loss: float, memory: int | None = 100) -> Path:
    """A folder with the records of a training of ten tokens a step."""
    folder.mkdir()
    lines = [
        {"step": 1, "val_loss": None, "tokens_per_second": 5.0},
        {"step": 2, "val_loss": 3.0, "tokens_per_second": 10.0},
        {"step": 4, "val_loss": loss, "tokens_per_second": 40.0},  # the third step was not written down
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    score = Score(nats=loss * 10 * math.log(2), tokens=10, bytes=20, documents=1)
    Trained(Run(4, 9.0, 0, loss, None, 1000), score, memory).save(folder)
    return folder


def test_seconds_are_those_of_updates(variant: Variant, tmp_path: Path) -> None:
    training = Training.read(kept(tmp_path / "a", 2.0), variant, seed=0)
    assert training.tokens == [10, 20, 40]
    assert training.seconds == pytest.approx([2.0, 3.0, 3.5])
    assert training.evaluated == [1, 2]


def test_figures_are_means_over_seeds(variant: Variant, tmp_path: Path) -> None:
    trainings = [
        Training.read(kept(tmp_path / name, loss, memory), variant, seed)
        for seed, (name, loss, memory) in enumerate([("a", 2.0, 100), ("b", 3.0, 300)])
    ]
    outcome = Outcome.of(variant, trainings)
    assert (outcome.val_loss, outcome.bits_per_byte, outcome.seeds, outcome.tokens) == (2.5, 1.25, 2, 40)
    assert outcome.val_loss_spread == pytest.approx(0.5**0.5)
    assert outcome.bits_per_byte_spread == pytest.approx(0.5**0.5 / 2)
    assert outcome.perplexity == pytest.approx((2**2 + 2**3) / 2)
    assert outcome.memory_bytes == 300
    assert outcome.tokens_per_second == pytest.approx(40 / 3.5)
    alone = Outcome.of(variant, trainings[:1])
    assert (alone.val_loss_spread, alone.bits_per_byte_spread) == (0.0, 0.0)
    assert LOSS.cells([outcome, alone]) == ["2.5000 ± 0.7071", "2.0000"]


def test_what_came_of_a_training_is_kept(tmp_path: Path) -> None:
    for score in (None, Score(1.0, 2, 3, 4)):
        trained = Trained(Run(4, 9.0, 0, 2.0, None, 1000), score, None)
        trained.save(tmp_path)
        assert Trained.load(tmp_path) == trained


def outcome(name: str, loss: float, bits: float | None, *, seconds: float = 1.0, memory: int | None = None) -> Outcome:
    question = "next token" if bits is not None else "15% hidden tokens"
    return Outcome(name, name, question, 10, 5, 4, 40, seconds, memory, loss, bits, 2.0, 1, 0.0, 0.0)


def test_the_best_is_marked_where_there_is_one() -> None:
    group = [outcome("a", 2.0, 1.5, seconds=2.0), outcome("b", 1.0, 1.6), outcome("c", math.nan, None)]
    assert LOSS.marked(group) == {1}  # what is not a number is not the best
    assert BITS.marked(group) == {0}
    assert SPEED.marked(group) == {1, 2}
    assert TOKENS.marked(group) == set()
    assert BITS.marked(group[:1]) == BITS.marked([group[0], group[0]]) == set()
    assert BITS.cells(group) == ["1.5000", "1.6000", "–"]
    assert MEMORY not in known([LOSS, MEMORY], group) and LOSS in known([LOSS, MEMORY], group)


def test_only_answers_to_one_question_stand_together(tmp_path: Path) -> None:
    encoder, decoder, lstm = outcome("encoder", 0.5, None), outcome("decoder", 2.0, 1.5), outcome("lstm", 2.1, 1.6)
    compared = Compared("tokens", (encoder, decoder, lstm), (("xz -9", 3.0),))
    assert compared.groups() == [[decoder, lstm], [encoder]]
    compared.save(tmp_path)
    assert Compared.load(tmp_path) == compared
    with pytest.raises(ArtifactError, match="cannot be read"):
        Compared.load(tmp_path / "nowhere")
