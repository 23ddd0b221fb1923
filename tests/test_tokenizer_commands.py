"""The tokenizer verbs as typed: learning each kind, explaining, inspecting, comparing, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sentencepiece

from idiolect import cli
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.unigram import UnigramTokenizer

TEXT = "".join(f"the car and the cat number {n} ran to the rat's house in 19{n % 90 + 10}\n" for n in range(400))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    with open("rows.jsonl", "w", encoding="utf-8") as rows:
        for n in range(60):
            language, text = ("english", f"the cat {n} sat") if n % 2 else ("greek", f"η γάτα {n} κάθισε")
            rows.write(json.dumps({"text": text, "language": language}) + "\n")
    return tmp_path


def run(words: str, *more: str) -> int:
    return cli.main([*words.split(), *more])


@pytest.mark.parametrize("kind", ["bpe", "unigram", "words", "whitespace", "characters", "bytes"])
def test_every_kind_is_learnt_saved_and_encodes(here: Path, kind: str) -> None:
    assert run(f"tokenize text.txt --kind {kind} --vocab-size 400 --out tok") in (0, 2)
    if not Path("tok").exists():  # the text does not support so many words or pieces
        assert run(f"tokenize text.txt --kind {kind} --vocab-size 300 --out tok") == 0
    tokenizer = Tokenizer.load("tok")
    assert tokenizer.kind == kind and tokenizer.decode(tokenizer.encode("the cat")).strip() == "the cat"
    assert run("encode text.txt --tokenizer tok --out tokens") == 0
    page = Path("tok/report.html").read_text("utf-8")
    assert "bytes/token" in page and ("Every token occurs" in page or "do not occur" in page)


def test_what_was_learnt_is_explained_step_by_step(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cars.txt").write_text("the car\nthe cat\nthe rat\n" * 3, encoding="utf-8")
    assert run("tokenize cars.txt --vocab-size 262 --out tok --explain", "the car the cat the rat") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[t h e _ c a r _ t h e _ c a t _ t h e _ r a t]"
    assert lines[1].endswith('"th" occurs 3 times (merge 1)')
    assert run("tokenize cars.txt --vocab-size 262 --out tok --explain", "the car") == 0, (
        "an unchanged one explains too"
    )


def test_a_segmentation_is_explained_as_fractions(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tokenize text.txt --kind unigram --vocab-size 300 --out uni --explain", "ab ab c") == 0
    assert "2/3 · 2/3 · 1/3 = 4/27" in capsys.readouterr().out


def test_the_report_tells_sources_apart_and_compares(here: Path) -> None:
    assert run("tokenize text.txt --vocab-size 300 --out one") == 0
    assert run("tokenize rows.jsonl --vocab-size 280 --by language --against one --out two") == 0
    page = Path("two/report.html").read_text("utf-8")
    assert "english" in page and "greek" in page and "one: bytes/token" in page


def test_inspect_shows_tokens_ids_bytes_and_the_best_segmentations(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tokenize text.txt --kind unigram --vocab-size 300 --out uni") == 0
    capsys.readouterr()
    assert run("inspect uni", "the cat", "--nbest", "3") == 0
    said = capsys.readouterr().out
    assert "tokens, 7 characters, 7 bytes" in said
    assert "log-probability" in said and said.count("|") >= 3
    assert run("tokenize text.txt --vocab-size 300 --out tok") == 0
    assert run("inspect tok", "the cat", "--merges") == 0
    assert "(merge " in capsys.readouterr().out


def test_inspect_prints_tokens_in_brackets_as_they_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tokenize text.txt --kind characters --out tok") == 0
    Tokenizer.load("tok").extend(["[bold]", "[/red]"]).save(Path("tok"))
    capsys.readouterr()
    assert run("inspect tok", "the [bold] cat[/red]") == 0
    said = capsys.readouterr().out
    assert said.count("[bold]") == 2 and said.count("[/red]") == 2


def test_inspect_shows_what_stands_around_a_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tokenize text.txt --vocab-size 300 --out tok") == 0
    tokenizer = Tokenizer.load("tok").extend(["[CLS]", "[SEP]"], special=True).with_frame(Frame.bert())
    tokenizer.save(Path("tok"))
    assert run("inspect tok", "the cat") == 0
    assert "around a text: [CLS] $A [SEP], around two: [CLS] $A [SEP] $B:1 [SEP]:1" in capsys.readouterr().out


def test_the_options_of_unigram_are_on_the_command_line(here: Path) -> None:
    assert run("tokenize text.txt --kind unigram --vocab-size 290 --split-digits --user-defined the --out uni") == 0
    tokenizer = Tokenizer.load("uni")
    assert isinstance(tokenizer, UnigramTokenizer)
    assert "the" in tokenizer.pieces and not any(digits.isdigit() and len(digits) > 1 for digits in tokenizer.pieces)
    options = "--mode sentencepiece --seeds 5000 --shrinking 0.8 --sub-iterations 1 --num-threads 2"
    assert run(f"tokenize text.txt --kind unigram --vocab-size 285 {options} --max-sentence-length 0 --out other") == 0
    assert run("tokenize text.txt --kind unigram --vocab-size 300 --shrinking 2 --out wrong") == 2


def test_a_unigram_model_is_learnt_from_words_counted_elsewhere(here: Path) -> None:
    words = [f"▁{stem}{end}" for stem in ("walk", "talk", "jump", "sing") for end in ("", "s", "ing", "er", "ed")]
    Path("counts.tsv").write_text("".join(f"{word}\t{n + 1}\n" for n, word in enumerate(words)), encoding="utf-8")
    assert run("tokenize text.txt --kind unigram --vocab-size 285 --counts counts.tsv --out uni") == 0
    assert Tokenizer.load("uni").decode(Tokenizer.load("uni").encode("walking")) == "walking"


def test_text_is_normalised_by_the_rules_of_a_sentencepiece_model(here: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        input="text.txt", model_prefix="theirs", vocab_size=60, normalization_rule_name="nfkc_cf", minloglevel=2
    )
    assert run("tokenize text.txt --kind unigram --vocab-size 300 --rules theirs.model --out uni") == 0
    tokenizer = Tokenizer.load("uni")
    assert tokenizer.encode("THE ﬁne cat") == tokenizer.encode("the fine cat")
    manifest = json.loads(Path("uni/manifest.json").read_text("utf-8"))
    assert manifest["parents"]["rules"]["name"] == "theirs.model"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("tokenize text.txt --kind characters --explain x --out t", "Only BPE and unigram know --explain"),
        ("tokenize text.txt --kind words --counts c.tsv --out t", "Only BPE and unigram know --counts"),
        ("tokenize text.txt --rules text.txt --out t", "text.txt"),
        ("tokenize text.txt --against nowhere --out t", "There is no tokenizer at nowhere"),
        ("tokenize text.txt --kind unigram --coverage 0.5 --out t", "coverage is 0.5"),
        ("tokenize text.txt --ties last --out t", "must be one of first, huggingface, rustbpe, sentencepiece"),
        ("tokenize text.txt --ties rustbpe --symbols characters --out t", "rustbpe starts from bytes"),
        ("tokenize text.txt --ties sentencepiece --pattern o200k --out t", "cannot be o200k"),
        ("tokenize text.txt --min-frequency 0 --out t", "at least 1"),
        ("tokenize text.txt --max-token-length 1 --out t", "at least two symbols"),
        ("tokenize text.txt --max-memory 5 --out t", "at least 1048576"),
        ("tokenize text.txt --coverage 0.5 --out t", "for BPE of characters"),
        ("tokenize text.txt --counts nowhere --out t", "nowhere cannot be read"),
        ("tokenize text.txt --counts text.txt --vocab-size 258 --out t", "line 1 is not a word, a tab and a count"),
        ("tokenize text.txt --kind unigram --vocab-size 100000 --out t", "larger than the text supports"),
        ("inspect text.txt cat", "cannot be used"),
    ],
)
def test_it_is_refused_in_a_sentence(here: Path, words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said and not Path("t").exists()
