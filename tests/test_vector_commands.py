"""The verbs on word vectors: neighbours, analogy, convert, evaluate, on vectors and on a model's own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import idiolect
from idiolect import cli
from idiolect.artifact import Artifact
from idiolect.embeddings.vectors import Vectors

TEXT = "".join(f"the king and the queen number {n} went to the man and the woman\n" for n in range(200))
QUESTIONS = ": family\nman woman king queen\nking queen man woman\n: gram1\nman men king kings\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vectors, a model, and questions."""
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(0)
    people, step = random.normal(size=(12, 16)), random.normal(size=16)
    words = ["man", "woman", "king", "queen", "boy", "girl", "he", "she", "father", "mother"]
    starts = np.repeat(people[:5], 2, axis=0) + np.arange(10)[:, None] % 2 * step
    words += [f"other{chr(97 + n)}" for n in range(20)]
    matrix = np.concatenate([starts, random.normal(size=(20, 16))]).astype(np.float32)
    vectors = Vectors(words, matrix, np.arange(30, 0, -1), kind="skipgram")
    vectors.export(folder / "v.txt")
    moved = matrix.copy()
    moved[12] = -moved[12]
    Vectors(words, moved).export(folder / "old.bin", "word2vec-binary")
    (folder / "questions.txt").write_text(QUESTIONS, encoding="utf-8")
    (folder / "pairs.txt").write_text("man\tking\t8\nking\tqueen\t9\nman\tothera\t1\nman\tnone\t2\n", encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words_typed in (
            "convert v.txt --to vectors --out vectors",
            "tokenize text.txt --vocab-size 300 --out tok",
            "encode text.txt --tokenizer tok --out tokens",
            "pretrain tokens --layers 1 --heads 1 --dim 16 --context 16 --batch 2 --no-yardsticks --threads 1 --steps 3"
            " --out model",
        ):
            assert cli.main(words_typed.split()) == 0
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def run(words: str) -> None:
    assert cli.main(words.split()) == 0


def test_neighbours_and_analogies_are_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("neighbours vectors king -n 3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["word", "cosine"] and len(lines) == 4
    for form in ("vectors", "v.txt", "vectors/vectors.safetensors"):
        run(f"analogy {form} man woman king --n 1 --method 3CosMul")
        assert "queen" in capsys.readouterr().out
    assert idiolect.analogy("vectors", "man", "woman", "king", n=1)[0].word == "queen"
    assert [one.word for one in idiolect.neighbours("vectors", "king", restrict=4)] == [
        one.word for one in Vectors.load("vectors").most_frequent(4).neighbours("king")
    ]


def test_a_model_is_asked_by_its_tokens(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("neighbours model king -n 2")
    told = capsys.readouterr()
    assert "'king' is read as the token ▁king, with the space before it." in told.err
    assert len(told.out.splitlines()) == 3
    run("analogy model man woman kings --embeddings output")
    assert "'kings' is no token: the mean of ▁king, s stands for it." in capsys.readouterr().err


def test_files_are_converted_both_ways(here: Path) -> None:
    matrix = Vectors.load("vectors").matrix
    for to in ("word2vec", "word2vec-binary", "glove"):
        run(f"convert vectors --to {to} --out out.{to}")
        assert (Vectors.load(f"out.{to}").matrix == matrix).all()
    run("convert model --to word2vec --embeddings output --out tokens.txt")
    assert "▁king" in Vectors.load("tokens.txt")
    run("verify vectors")
    assert idiolect.Artifact.open("vectors", "vectors").parents["vectors"]["name"] == "v.txt"
    before = Path("vectors/manifest.json").read_bytes()
    run("convert v.txt --to vectors --out vectors")  # unchanged: not made again
    assert Path("vectors/manifest.json").read_bytes() == before


def test_vectors_are_evaluated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--similarity pairs.txt --similarity pairs.txt --analogies questions.txt --against old.bin"
    run(f"evaluate vectors {asked} --out measured")
    told = capsys.readouterr().out
    assert re.search(r"family +2 +2 +2 +100\.0 %", told) and re.search(r"gram1 +0 +0 +1 +–", told)
    assert told.count("pairs.txt") == 2 and re.search(r"otherc +\d\.\d\d\d", told)
    found = json.loads(Path("measured/evaluation.json").read_text())
    assert found["analogies"][0]["sections"][0]["correct"] == 2 and found["drift"]["most"][0]["word"] == "otherc"
    report = Path("measured/report.html").read_text()
    for title in (
        "Analogies: questions.txt",
        "Words that moved",
        "Ask the vectors",
        "Steps that are parallel",
        "Gender",
    ):
        assert f">{title}</h" in report
    assert "analogies" in "\n".join(idiolect.lineage("measured"))
    scores = idiolect.evaluate("vectors", analogies=["questions.txt"])
    assert scores.analogies[0].total.share == 1


def test_what_moved_is_held_against_a_control(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = Vectors.load("vectors")
    Vectors(vectors.words, vectors.matrix + np.float32(0.1)).save("again")
    run("evaluate vectors --against old.bin --control again --out measured")
    told = capsys.readouterr().out
    assert re.search(r"moved most +distance +control +before", told) and "words moved farther than 95%" in told
    assert Artifact.open("measured").parents.keys() == {"vectors", "against", "control 1"}
    Vectors(vectors.words, vectors.matrix, np.arange(30, 0, -1)).save("counts")
    Vectors(vectors.words, vectors.matrix + np.float32(0.1), np.arange(30, 0, -1)).save("again")
    run("evaluate counts --against again --control again --control counts --min-count 5 --out counted")
    told = capsys.readouterr().out
    assert re.search(r"moved most +distance +control +times +before", told) and "30\u00a0→\u00a030" in told
    assert "hardly more than noise" in told and ">Drift by frequency<" in Path("counted/report.html").read_text()


def test_a_models_embeddings_are_evaluated_by_the_same_questions(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("evaluate model --analogies questions.txt")
    assert re.search(r"family +\d +2 +2", capsys.readouterr().out)  # ▁king, ▁queen, ▁man and ▁woman are words


def test_a_model_is_evaluated_on_a_text_wherever_the_options_stand(here: Path) -> None:
    run("evaluate model --split all text.txt")
    run("evaluate model text.txt --split all")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("neighbours vectors kin", "'kin' is none of the 30 words that have a vector. Did you mean 'king'?"),
        ("neighbours vectors king -n 0", "n must be at least 1"),
        ("neighbours text.txt king", "no file of word vectors"),
        ("neighbours missing king", "missing cannot be read"),
        ("neighbours tok king", "no folder of word vectors"),
        ("neighbours cut king", "cut/vectors.safetensors is damaged"),
        ("neighbours cut.bin king", "ends in the middle of word 30 of 30"),
        ("analogy vectors man woman", "C"),
        ("analogy vectors man woman kong", "Did you mean 'king'?"),
        ("analogy vectors man woman king --method 3CosSub", "Did you mean '3CosMul'?"),
        ("evaluate vectors", "nothing to measure"),
        ("evaluate vectors text.txt", "has word vectors"),
        ("evaluate vectors --analogies nowhere.txt --out measured", "nowhere.txt cannot be read"),
        ("evaluate vectors text.txt --analogies questions.txt", "measured apart"),
        ("evaluate model", "give some"),
        ("evaluate vectors --analogies missing.txt", "missing.txt cannot be read"),
        ("evaluate vectors --analogies pairs.txt", "line 1 is not four words"),
        ("evaluate vectors --similarity questions.txt", "line 1 is not two words and a number"),
        (
            "evaluate vectors --against v.txt --control v.txt --control v.txt --control v.txt",
            "two sets of vectors, or one",
        ),
        ("evaluate vectors --analogies questions.txt --control v.txt", "by --against"),
        ("evaluate small --against small", "0 were met 50 times in each: lower --min-count"),
        ("evaluate vectors --against vectors --min-count 0", "min_count"),
        ("evaluate vectors --against small", "7 and of 16 dimensions"),
        ("evaluate vectors --analogies questions.txt --restrict -1", "restrict"),
        ("convert vectors --to word2vec --out v.txt", "v.txt exists"),
        ("convert vectors --to glove --out none/v.txt", "cannot be written"),
        ("convert text.txt --to vectors --out x", "no file of word vectors"),
    ],
)
def test_bad_input_is_one_sentence(here: Path, capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    shutil.copytree("vectors", "cut")
    Path("cut/vectors.safetensors").write_bytes(Path("vectors/vectors.safetensors").read_bytes()[:-50])
    Path("cut.bin").write_bytes(Path("old.bin").read_bytes()[:-20])
    Vectors(["a", "b"], np.ones((2, 7), dtype=np.float32), np.array([5, 3])).save("small")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert cli.main(words.split()) == 2
    told = capsys.readouterr()
    sentences = [line for line in told.err.splitlines() if line.startswith("idiolect: ")]
    assert len(sentences) == 1 and says in sentences[0] and "Traceback" not in told.err
    assert before == {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fragment", "said"),
    [("king", "queen"), ("man:woman:boy", "girl"), ("kin", "kin is not among these words; king")],
)
def test_the_page_answers_without_a_server(here: Path, fragment: str, said: str) -> None:
    """A browser opens the page from its file, with the policy in force, and the script fills the lists."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium here to open the page with")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    address = f"file://{here}/vectors/report.html#{fragment}"
    ended = subprocess.run([browser, *flags, address], capture_output=True, text=True, timeout=120, check=True)
    figure = re.search(r'<figure class="explore">.*?</figcaption>', ended.stdout, re.DOTALL)
    assert figure is not None, "the script did not run"
    lists = re.findall(r'<ol class="near">(.*?)</ol>', figure[0], re.DOTALL)
    words = [re.findall(r"<button>(.*?)</button>", one) for one in lists]
    vectors = Vectors.load("vectors")
    if fragment == "king":
        assert words[0] == [one.word for one in vectors.neighbours("king")]
        answers = [one.word for one in vectors.analogy("man", "woman", "king")]
        # The page's numbers are bytes: what is nearly equal may change places.
        assert words[1][0] == answers[0] == "queen" and len({*words[1], *answers}) <= 12
    elif ":" in fragment:
        assert words[1][0] == said
    else:
        assert words[0] == [] and said in figure[0]
