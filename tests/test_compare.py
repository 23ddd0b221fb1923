"""`compare`: one page, models that are models, and a comparison that goes on where it was stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import idiolect
from idiolect import cli
from idiolect.artifact import Artifact
from idiolect.errors import Interrupted
from idiolect.language_model import LanguageModel
from idiolect.stages import compare as stage
from idiolect.stages import training
from idiolect.train import loop

TEXT = "".join(f"{n} green bottles hanging on the wall, {n % 7} fall and {n - 1} are left.\n" for n in range(300))
SMALL = "--layers 1 --heads 2 --dim 16 --context 16 --batch 4 --steps 12 --evaluate-tokens 64 --threads 1"
COMPARE = f"compare tokens --models rnn,lstm,decoder {SMALL} --checkpoint-every 4 --no-yardsticks --out comparison"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tokens, and a comparison that nothing disturbed."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("text.txt").write_text(TEXT, encoding="utf-8")
        for words in ("tokenize text.txt --kind characters --out tok", "encode text.txt --tokenizer tok --out tokens"):
            assert cli.main(words.split()) == 0
        assert cli.main(COMPARE.split()) == 0
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tokens alone, in the current folder."""
    shutil.copytree(made / "tokens", tmp_path / "tokens")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outcome(folder: Path) -> dict[str, tuple[bytes, list[dict[str, object]]]]:
    """What must be alike: each variant's weights, and every line of its journal but for its speed."""
    found = {}
    for variant in sorted((folder / "comparison" / "variants").iterdir()):
        lines = [json.loads(line) for line in (variant / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        for line in lines:
            del line["tokens_per_second"]
        found[variant.name] = ((variant / "model.safetensors").read_bytes(), lines)
    return found


def test_it_is_an_artifact_with_models_within(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made / "comparison"
    assert sorted(Artifact.open(folder).parts) == ["variants/decoder", "variants/lstm", "variants/rnn"]
    assert cli.main(["verify", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.count(": model ") == 3 and ": tokens " in said
    speaker = LanguageModel.load(folder / "variants" / "lstm")
    assert speaker.complete("9 green", max_tokens=3, seed=1)
    made_from = Artifact.open(folder / "variants" / "lstm").parent("tokens")
    assert made_from is not None and made_from.path.resolve() == (made / "tokens").resolve()
    weights = folder / "variants" / "rnn" / "model.safetensors"
    right = weights.read_bytes()
    try:
        weights.write_bytes(right[:-1] + b"?")
        assert cli.main(["verify", str(folder)]) == 2
        weights.write_bytes(right[:-1])
        assert not Artifact.open(folder).is_whole()
    finally:
        weights.write_bytes(right)
    assert Artifact.open(folder).is_whole()


def test_a_variant_is_what_pretrain_makes(made: Path, here: Path) -> None:
    words = (
        f"pretrain tokens --model lstm {SMALL} --checkpoint-every 4 --evaluate-every 1 --no-yardsticks --precision fp32"
    )
    assert cli.main([*words.split(), "--out", "alone"]) == 0
    alone, compared = Artifact.open("alone"), Artifact.open(made / "comparison" / "variants" / "lstm")
    assert alone.digest == compared.digest


def test_the_page_has_what_was_promised(made: Path) -> None:
    page = (made / "comparison" / "report.html").read_text(encoding="utf-8")
    for heading in ("Result", "Learning", "Differences", "Samples", "Settings", "Lineage"):
        assert f">{heading}</h2>" in page
    titles = (
        "Validation loss over tokens",
        "Validation loss over time",
        "Training loss",
        "Bits per byte on held-out text",
    )
    for words in (*titles, "equally many tokens", "in order, their state carried", "adamw lr"):
        assert words in page
    assert len(re.findall(r"<strong>", page)) >= 4
    table = re.findall(r"<td[^>]*>(?:<strong>)?([^<]*)", page)
    for name in ("rnn", "lstm", "decoder"):
        assert table.count(name) == 4  # what was learnt, what it cost, in what they differ, and so the family


def test_the_figures_are_printed_and_given(here: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared = idiolect.compare(
        "tokens",
        models=["rnn", "decoder"],
        variants="dropout=0.1",
        seeds=2,
        steps=3,
        layers=1,
        heads=2,
        dim=16,
        context=16,
        batch=4,
        evaluate_tokens=64,
        threads=1,
        out="comparison",
    )
    said = capsys.readouterr().out
    names = ["rnn", "rnn+dropout=0.1", "decoder", "decoder+dropout=0.1"]
    assert [o.name for o in compared.outcomes] == names
    rows = [line.split() for line in said.splitlines()]
    assert [row[0] for row in rows[1:5]] == names
    assert "±" in said and said.count("*") >= 4
    assert {name for name, _ in compared.yardsticks} == {
        "5-gram (Kneser–Ney)",
        *("xz -9", "bz2 -9", "xz -9, training text first", "bz2 -9, training text first"),
    }
    assert all(o.seeds == 2 and o.tokens == 3 * 4 * 16 and o.val_loss_spread > 0 for o in compared.outcomes)
    folders = sorted(os.listdir("comparison/variants"))
    assert folders == sorted([*names, *(f"{name}+seed=1" for name in names)])
    again = idiolect.compare(  # in another order, from the folder
        "tokens", config="comparison/config.toml", out="comparison"
    )
    assert again == compared
    assert rows[1:5] == [line.split() for line in capsys.readouterr().out.splitlines()][1:5]


def test_an_encoder_is_not_ranked_with_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(COMPARE.replace("rnn,lstm,decoder", "encoder,rnn,gru").replace("steps 12", "steps 2").split()) == 0
    said = capsys.readouterr().out
    first, second = said.split("15% hidden tokens")
    assert "encoder" not in first and "bits per byte" in first
    assert "encoder" in second and "bits per byte" not in second and "*" not in second
    page = Path("comparison/report.html").read_text(encoding="utf-8")
    assert "cannot be compared" in page and "Validation loss over tokens, 15% hidden tokens" in page


def test_stopped_after_any_variant_it_goes_on(made: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    whole: Callable[..., object] = training.train

    def only_one(tokens: Path, recipe: object, settings: object, compute: object, target: Path) -> object:
        if len(begun) == 1:
            raise KeyboardInterrupt
        begun.append(target.name)
        return whole(tokens, recipe, settings, compute, target)

    monkeypatch.setattr(stage, "train", only_one)
    lives: list[str] = []
    for code in (130, 130, 0):
        begun.clear()
        assert cli.main(COMPARE.split()) == code
        assert Path("comparison").exists() == (code == 0)
        lives += begun
    assert lives == ["rnn", "lstm", "decoder"]  # none was trained twice
    assert outcome(here) == outcome(made)
    assert sorted(os.listdir()) == ["comparison", "tokens"]
    assert Artifact.open("comparison").digest == Artifact.open(made / "comparison").digest


def test_stopped_within_a_variant_it_goes_on_from_its_checkpoint(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = training.train

    def stopped(tokens: Path, recipe: object, settings: object, compute: object, target: Path) -> object:
        if target.name == "lstm":  # a signal that comes in its ninth step
            update = loop._Trainer.update

            def at_nine(self: object, step: int, *, stop: bool = False) -> object:
                if step == 8:
                    os.kill(os.getpid(), signal.SIGTERM)
                return update(self, step, stop=stop)  # type: ignore[arg-type]

            with monkeypatch.context() as patch:
                patch.setattr(loop._Trainer, "update", at_nine)
                return whole(tokens, recipe, settings, compute, target)  # type: ignore[arg-type]
        return whole(tokens, recipe, settings, compute, target)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(stage, "train", stopped)
        with pytest.raises(Interrupted):
            idiolect.compare("tokens", config=made / "comparison" / "config.toml", out="comparison")
    assert Path("comparison.partial/variants/lstm.partial/checkpoints").exists()
    capsys.readouterr()
    assert cli.main(COMPARE.split()) == 0
    said = capsys.readouterr().err
    assert "rnn is trained already." in said and "Resuming at step 10." in said
    assert outcome(here) == outcome(made)


def test_other_settings_do_not_take_over_what_is_unfinished(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stage, "comparison_page", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli.main(COMPARE.split()) == 130
    other = COMPARE.replace("--steps 12", "--steps 3")
    assert cli.main(other.split()) == 2
    assert "unfinished run with other settings" in capsys.readouterr().err
    assert cli.main([*other.split(), "--force"]) == 0
    assert Artifact.open("comparison/variants/rnn").is_whole()


def test_under_a_budget_of_time_steps_are_measured_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*COMPARE.replace("--models rnn,lstm,decoder", "--models rnn,gru,lstm").split(), "--budget", "time"]
    paces = iter([0.001, 0.002])
    monkeypatch.setattr("idiolect.pretraining.run.pace", lambda *_, seconds, **__: next(paces) if seconds else 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "comparison_page", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli.main(words) == 130
    written = json.loads(Path("comparison.partial/steps.json").read_text())
    assert cli.main(words) == 0  # nothing is measured again: there is no third pace
    compared = idiolect.compare("tokens", config="comparison/config.toml", out="comparison")
    rnn, gru, lstm = compared.outcomes
    assert (rnn.steps, {"gru": gru.steps, "lstm": lstm.steps}) == (12, written)
    assert gru.steps == pytest.approx(rnn.seconds / 0.001, abs=1) and lstm.steps == pytest.approx(gru.steps / 2, abs=1)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("--models rnn,lstn", "Did you mean 'lstm'"),
        ("--models rnn,rnn", "rnn is named twice"),
        ("--models rnn,lstm --variants positions=alibi", "--positions is for Transformers"),
        ("--variants positions=rotary", "changes nothing of the decoder"),
        ("--variants bend=logistic", "for recurrent networks"),
        ("--models rnn,decoder --variants context=999999", "context"),
        ("--models rnn,decoder --seeds 0", "seeds must be at least 1"),
        ("--models rnn,decoder --prompt ☃", "☃"),
    ],
)
def test_it_is_refused_before_anything_trains(
    more: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*f"compare tokens {SMALL} --out comparison".split(), *more.split()]) == 2
    said = capsys.readouterr().err
    assert says in said and "Training" not in said and len(said.strip().splitlines()) == 1
    assert os.listdir() == ["tokens"]
