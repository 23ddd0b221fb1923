"""The commands and the lines of Python that the README promises, as written, on a small text."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import idiolect
from idiolect import cli, config

TEXT = "".join(f"To be {n} times, or not to be {n * n} times: that is question {n}.\n\n" for n in range(700))
SHAPE = "--model decoder --layers 2 --heads 2 --dim 32 --context 32 --steps 30 --batch 6 --evaluate-every 10"


def command(words: str) -> None:
    """Run a command that must end well."""
    assert cli.main(words.split()) == 0


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the commands have been run, which is also the current one."""
    folder = tmp_path_factory.mktemp("life")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("text.txt").write_text(TEXT, encoding="utf-8")
        command("tokenize text.txt --kind bpe --vocab-size 300 --out tok")
        command("encode text.txt --tokenizer tok --out tokens")
        command(f"pretrain tokens {SHAPE} --seed 5 --checkpoint-every 20 --threads 1 --out model")
        yield folder


def test_every_artifact_has_its_settings_its_page_and_verifies(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in (("tok", "tokenizer"), ("tokens", "tokens"), ("model", "model")):
        artifact = idiolect.Artifact.open(name, kind)
        settings = cli.find_verb({"tok": "tokenize", "tokens": "encode", "model": "pretrain"}[name]).settings
        assert settings is not None
        record = tomllib.loads((artifact.path / "config.toml").read_text(encoding="utf-8"))
        assert config.build(settings, record) is not None
        assert "<!DOCTYPE html>" in (artifact.path / "report.html").read_text(encoding="utf-8")[:200]
    capsys.readouterr()
    command("verify model")
    told = capsys.readouterr().out
    assert [word in told for word in ("model: model", "tokens: tokens", "tok: tokenizer", "text.txt: text as read")]
    command("lineage model")
    tree = capsys.readouterr().out.splitlines()
    assert tree[0].startswith("model model") and any("tokenizer tok" in line for line in tree)
    assert not Path("model/checkpoints").exists() and not Path("model.partial").exists()


def test_the_journal_has_what_people_plot(life: Path) -> None:
    lines = [json.loads(line) for line in Path("model/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 31))
    for line in lines:
        assert line["train_loss"] > 0 and line["tokens_per_second"] > 0
        assert (line["val_loss"] is not None) == (line["step"] % 10 == 0)
    assert abs(lines[0]["train_loss"] - torch.log(torch.tensor(300.0)).item()) < 0.1
    assert lines[-1]["val_loss"] < lines[0]["train_loss"] - 1
    assert list(Path("model/tensorboard").iterdir())


def test_an_unchanged_stage_is_skipped_and_says_so(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("tok/manifest.json").read_bytes()
    command("tokenize text.txt --kind bpe --vocab-size 300 --out tok")
    command(f"pretrain tokens {SHAPE} --seed 5 --checkpoint-every 20 --threads 1 --out model")
    assert capsys.readouterr().err.count("up to date") == 2
    command("tokenize text.txt --kind bpe --vocab-size 300 --out tok --force")
    assert "Learnt" in capsys.readouterr().err
    assert idiolect.Artifact.open("tok").digest == json.loads(before)["digest"]  # made again, it is the same


def test_a_completion_replays_with_its_seed(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        assert cli.main(["complete", "model", "To be", "--max-tokens", "50", "--seed", "1"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and texts[0].startswith("To be") and len(texts[0]) > 20
    assert cli.main(["complete", "model", "To be", "--seed", "1", "--samples", "2", "--max-tokens", "5"]) == 0
    assert "---" in capsys.readouterr().out


def test_a_beam_search_prints_the_best_with_their_scores(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("complete model To --beams 4 --nbest 3 --max-tokens 3")
    lines = capsys.readouterr().out.splitlines()
    scores = [float(line.split("  ")[0]) for line in lines if re.match(r"-\d", line)]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert lines[0].split("  ", 1)[1].startswith("To")
    for words, sentence in (
        ("--nbest 2", "how many beams"),
        ("--beams 4 --temperature 0.5", "temperature has no effect"),
    ):
        assert cli.main(f"complete model To {words}".split()) == 2
        assert sentence in capsys.readouterr().err


def test_autocomplete_prints_words_with_their_probabilities(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["autocomplete", "model", "To be 7 ti", "-k", "3"]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert 1 <= len(lines) <= 3 and all(word.startswith("ti") and 0 <= float(share) <= 1 for share, word in lines)
    assert idiolect.autocomplete("model", "To be 7 ti", k=1)[0][0] == lines[0][1]
    capsys.readouterr()
    assert cli.main(["autocomplete", "model", "To", "--k", "0"]) == 2
    assert "k must be at least 1" in capsys.readouterr().err


def test_evaluation_gives_the_sum_of_log_probabilities(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("short.txt").write_text("To be 7 times.", encoding="utf-8")
    command("evaluate model short.txt --out evaluation")
    assert "bits per byte" in capsys.readouterr().out
    figures = json.loads(Path("evaluation/evaluation.json").read_text(encoding="utf-8"))
    model = idiolect.load("model")
    ids = [model.tokenizer.end_of_text, *model.tokenizer.encode("To be 7 times."), model.tokenizer.end_of_text]
    with torch.inference_mode():
        log_probs = model.model(torch.tensor([ids])).log_softmax(-1)[0]
    by_hand = -sum(float(log_probs[i, token]) for i, token in enumerate(ids[1:]))
    assert figures["model"]["nats"] == pytest.approx(by_hand, rel=1e-4)
    assert figures["baselines"]["ngram"] is not None and figures["baselines"]["compressed"]["xz"] > 0


def test_the_lines_of_python(life: Path) -> None:
    tok = idiolect.Tokenizer.load("tok")
    assert tok.decode(tok.encode("To be")) == "To be"
    model = idiolect.load("model")
    first = model.complete("To be", max_tokens=50, seed=1)
    assert first == model.complete("To be", max_tokens=50, seed=1)
    assert len(model.log_prob("To be or not")) == len(tok.encode("To be or not"))
    again = idiolect.pretrain("tokens", layers=1, heads=1, dim=16, context=16, steps=3, batch=2, out="second")
    assert again.spec.layers == 1


def test_transformers_reads_the_folder(life: Path) -> None:
    ours, theirs = idiolect.load("model"), AutoModelForCausalLM.from_pretrained("model")
    ids = ours.tokenizer.encode(TEXT[:60])[:20]
    assert AutoTokenizer.from_pretrained("model")(TEXT[:60])["input_ids"][:20] == ids
    with torch.inference_mode():
        difference = ours.model(torch.tensor([ids])) - theirs(torch.tensor([ids])).logits
    assert difference.abs().max() < 1e-5


def test_settings_come_from_a_file_and_options_win(life: Path) -> None:
    Path("small.toml").write_text('kind = "characters"\nvocab_size = 200\n', encoding="utf-8")
    command("tokenize text.txt --config small.toml --vocab-size 100 --out letters")
    record = tomllib.loads(Path("letters/config.toml").read_text(encoding="utf-8"))
    assert (record["kind"], record["vocab_size"]) == ("characters", 100)


def test_a_gathered_corpus_gives_the_same_tokens(life: Path) -> None:
    command("gather text.txt --out corpus")
    command("encode corpus --tokenizer tok --out gathered")
    ours, theirs = Path("gathered/train-00000.tokens"), Path("tokens/train-00000.tokens")
    assert ours.read_bytes() == theirs.read_bytes()
    assert "corpus corpus" in "\n".join(idiolect.lineage("gathered"))


def test_early_stop_and_compiled_settings_are_taken(life: Path) -> None:
    command(f"pretrain tokens {SHAPE} --patience 1 --optimizer adamw --schedule cosine --accumulate 2 --out patient")
    assert idiolect.load("patient").complete("To", max_tokens=3, seed=0) is not None


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_help_tells_every_setting(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    settings = cli.find_verb(verb).settings
    assert ended.value.code == 0
    for setting in config.settings_of(settings) if settings else []:
        assert "--" + setting.name.replace("_", "-") in told
        assert setting.meaning.split(",")[0].split(":")[0] in told, setting.name


def test_every_public_name_is_there() -> None:
    for name in idiolect.__all__:
        assert getattr(idiolect, name) is not None
    with pytest.raises(AttributeError):
        idiolect.nonsense  # noqa: B018


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile uses what torch itself has deprecated
def test_a_compiled_run_learns_as_an_eager_one(life: Path) -> None:
    command(f"pretrain tokens {SHAPE} --seed 5 --threads 1 --compile --out compiled")
    losses = [json.loads(Path(name, "metrics.jsonl").read_text().splitlines()[-1]) for name in ("model", "compiled")]
    assert losses[0]["val_loss"] == pytest.approx(losses[1]["val_loss"], abs=1e-3)


@pytest.mark.slow
def test_the_demo(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command(f"demo --steps 20 --out {tmp_path / 'demo'}")
    told = capfd.readouterr()
    assert "str.split(" in told.err and "this model" in told.out and "report.html" in told.err
    for name in ("corpus", "tokenizer", "tokens", "model", "evaluation"):
        assert (tmp_path / "demo" / name / "report.html").exists()
