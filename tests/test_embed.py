"""The verb `embed`: a folder of vectors from a text, with its page."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

import idiolect
from idiolect.artifact import Artifact
from idiolect.cli import main
from idiolect.embeddings import word_contexts
from idiolect.errors import ArtifactError, CorpusError, ModelError, UsageError
from idiolect.models.build import build
from idiolect.models.spec import TransformerSpec

TEXT = "the king and the queen sat. the man and the woman ran, and the king's man sang " * 400


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def small(text: Path, out: Path, **changed: object) -> idiolect.Vectors:
    return idiolect.embed([str(text)], out=out, **{"dim": 8, "epochs": 1, "sample": 0.0, **changed})  # type: ignore[no-any-return]


def test_vectors_from_the_command_line(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "vectors"
    assert main(["embed", str(text), "--dim", "8", "--epochs", "2", "--kind", "cbow", "--out", str(out)]) == 0
    vectors = idiolect.Vectors.load(out)
    assert vectors.words[:2] == ["the", "and"] and "king's" in vectors and vectors.matrix.shape == (10, 8)
    assert vectors.counts is not None and (np.diff(vectors.counts) <= 0).all()
    page = (out / "report.html").read_text()
    assert "Ask the vectors" in page and "Throughput" in page
    names = {path.name for path in out.iterdir()}
    assert "ids" not in names and "checkpoints" not in names
    list(Artifact.open(out, "vectors").verify())
    capsys.readouterr()
    assert main(["embed", str(text), "--dim", "8", "--epochs", "2", "--kind", "cbow", "--out", str(out)]) == 0
    assert "up to date" in capsys.readouterr().err


def test_over_the_tokens_of_a_tokenizer(text: Path, tmp_path: Path) -> None:
    idiolect.tokenize([str(text)], vocab_size=280, out=tmp_path / "tok")
    vectors = small(text, tmp_path / "vectors", tokenizer=tmp_path / "tok")
    assert "▁the" in vectors
    assert Artifact.open(tmp_path / "vectors").parents.keys() == {"corpus", "tokenizer"}


def test_phrases_and_vectors_of_unseen_words(text: Path, tmp_path: Path) -> None:
    vectors = small(text, tmp_path / "vectors", subwords="3-6", phrases=2, phrase_threshold=1.5)
    assert any("_" in word for word in vectors.words)
    assert "kingly" not in vectors and vectors.vector("kingly").shape == (8,)


@pytest.mark.parametrize("kind", ["glove", "ppmi"])
def test_vectors_from_counts(text: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    digests = set()
    for threads in ("1", "2"):
        out = tmp_path / threads
        assert main(["embed", str(text), "--kind", kind, "--dim", "8", "--threads", threads, "--out", str(out)]) == 0
        manifest = Artifact.open(out).manifest
        digests |= {manifest["digest"], manifest["recipe"]}
    assert len(digests) == 2  # of the vectors, and of the recipe
    vectors = idiolect.Vectors.load(out)
    assert vectors.kind == kind and vectors.matrix.shape == (10, 8) and np.isfinite(vectors.matrix).all()
    page = (out / "report.html").read_text()
    assert "different pairs meet" in page and "within 15 words" in capsys.readouterr().err
    assert ("Singular values" in page) == (kind == "ppmi") and ("pairs/s" in page) == (kind == "glove")
    assert "nats per pair" not in page and {path.name for path in out.iterdir()}.isdisjoint({"ids", "checkpoints"})
    assert "epochs = 15" in (out / "config.toml").read_text() or kind == "ppmi"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder's folder, and beside it a classifier's on the same body."""
    folder = tmp_path_factory.mktemp("models")
    tokenizer = idiolect.Tokenizer.train([TEXT], kind="bpe", vocab_size=280)
    body = build(TransformerSpec(tokenizer.vocab_size, 32, layers=1, heads=1, kv_heads=1, dim=16, head_dim=16))
    body.init_weights(0)
    idiolect.LanguageModel(body, tokenizer).save(folder / "model")
    labels = idiolect.TextClassifier.on(idiolect.load(folder / "model"), ("no", "yes"), pooling="mean")
    labels.save(folder / "labels")
    return folder / "model"


def test_vectors_by_the_contexts_that_a_model_sees(
    text: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "vectors"
    typed = ["embed", str(text), "--kind", "contextual", "--model", str(model), "--threads", "1", "--out", str(out)]
    assert main(typed) == 0
    vectors = idiolect.Vectors.load(out)
    assert vectors.kind == "contextual" and "king's" in vectors and vectors.matrix.shape == (10, 16)
    assert vectors.counts is not None and vectors.words[0] == "the" and vectors.counts.tolist()[::9] == [1800, 360]
    page, config = (out / "report.html").read_text(), (out / "config.toml").read_text()
    assert "Ask the vectors" in page and "changed most by contexts" not in page and "dim = 16" in config
    assert {path.name for path in out.iterdir()}.isdisjoint({"ids", "checkpoints"})
    artifact = Artifact.open(out, "vectors")
    list(artifact.verify())
    assert artifact.parents.keys() == {"corpus", "model"} and artifact.parents["model"]["kind"] == "model"
    told = capsys.readouterr().err
    assert "Reading" in told and "by a model of kind decoder and width 16, 1 threads" in told
    again = main([*typed, "--config", str(out / "config.toml")])  # what was recorded makes the same
    assert again == 0 and "up to date" in capsys.readouterr().err
    assert main(["neighbours", str(out), "king"]) == 0 and main(["analogy", str(out), "man", "woman", "king"]) == 0
    assert main(["evaluate", str(out), "--against", str(out)]) == 0


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"model": None}, UsageError, "name its folder by --model"),
        ({"model": Path("nowhere")}, ModelError, "nowhere"),
        ({"dim": 300}, UsageError, "the width of the model here, 16"),
        ({"window": 3}, UsageError, "'window' means nothing to contextual"),
        ({"tokenizer": Path("tok")}, UsageError, "'tokenizer' means nothing to contextual"),
        ({"subwords": "3-6"}, UsageError, "'subwords' means nothing to contextual"),
        ({"max_words": 1}, UsageError, "max_words"),
        ({"min_count": 10**6}, CorpusError, "lower --min-count"),
        ({"kind": "skipgram"}, UsageError, "'model' means nothing to skipgram, only to contextual"),
    ],
)
def test_what_no_model_can_read_is_said(
    text: Path, model: Path, tmp_path: Path, changed: dict[str, object], error: type[Exception], sentence: str
) -> None:
    asked = {"kind": "contextual", "model": model, **changed}
    with pytest.raises(error, match=sentence):
        idiolect.embed([str(text)], out=tmp_path / "vectors", **asked)
    assert not (tmp_path / "vectors").exists()


def test_a_model_of_labels_and_a_text_of_nothing(text: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "vectors"
    with pytest.raises(ModelError, match="gives labels"):
        idiolect.embed([str(text)], kind="contextual", model=model.parent / "labels", out=out)
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(CorpusError, match="There is no text"):
        idiolect.embed([str(tmp_path / "empty.txt")], kind="contextual", model=model, out=out)
    assert not out.exists() and not list(tmp_path.glob("*.partial"))


def test_an_averaging_that_is_stopped_goes_on(
    text: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["embed", str(text), "--kind", "contextual", "--model", str(model), "--threads", "1", "--out"]
    assert main([*typed, str(tmp_path / "whole")]) == 0
    read, calls = word_contexts.Averaging.read, []

    def reading(self: word_contexts.Averaging, texts: list[str]) -> int:
        calls.append(texts)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return read(self, texts)

    monkeypatch.setattr(word_contexts, "_CHARACTERS", 2000)
    monkeypatch.setattr(word_contexts.Averaging, "read", reading)
    assert main([*typed, str(tmp_path / "cut")]) == 130
    assert not (tmp_path / "cut").exists() and "and saved: the same command goes on" in capsys.readouterr().err
    assert main([*typed, str(tmp_path / "cut")]) == 0
    assert "Resuming after" in capsys.readouterr().err
    counts = [idiolect.Vectors.load(tmp_path / name).counts for name in ("whole", "cut")]
    np.testing.assert_array_equal(*counts)


def test_the_number_of_threads_is_no_part_of_a_deterministic_result(text: Path, tmp_path: Path) -> None:
    digests = set()
    for threads in (1, 2):
        small(text, tmp_path / str(threads), deterministic=True, threads=threads)
        manifest = Artifact.open(tmp_path / str(threads)).manifest
        digests |= {manifest["digest"], manifest["recipe"]}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"min_count": 10**6}, CorpusError, "lower --min-count"),
        ({"subwords": "6-3"}, UsageError, "3-6"),
        ({"subwords": "three"}, UsageError, "3-6"),
        ({"buckets": 5}, UsageError, "--subwords"),
        ({"min_count": 0}, UsageError, "min_count"),
        ({"tokenizer": Path("nowhere")}, Exception, "nowhere"),
        ({"kind": "glov"}, UsageError, "kind"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    text: Path, tmp_path: Path, changed: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        small(text, tmp_path / "vectors", **changed)
    assert not (tmp_path / "vectors").exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"kind": "glove", "negative": 3}, "'negative' means nothing to glove, only to skipgram, cbow"),
        ({"kind": "glove", "subwords": "3-6"}, "'subwords' means nothing to glove"),
        ({"kind": "skipgram", "x_max": 10.0}, "'x_max' means nothing to skipgram, only to glove"),
        ({"kind": "glove", "x_max": 1e12}, "x_max 1e9"),
        ({"kind": "ppmi", "epochs": 3}, "'epochs' means nothing to ppmi, only to skipgram, cbow, glove"),
        ({"kind": "cbow", "shift": 5.0}, "'shift' means nothing to cbow, only to ppmi"),
        ({"kind": "skipgram", "max_memory": 1 << 20}, "only to glove, ppmi"),
        ({"kind": "glove", "max_memory": 5}, "1048576"),
        ({"kind": "ppmi", "dim": 300}, "lower --dim"),
    ],
)
def test_settings_that_mean_nothing_to_a_kind_are_refused(
    text: Path, tmp_path: Path, changed: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        idiolect.embed([str(text)], out=tmp_path / "vectors", **changed)
    assert not (tmp_path / "vectors").exists()


def test_a_folder_that_is_something_else_stays(text: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "mine").write_text("mine")
    with pytest.raises(ArtifactError):
        small(text, tmp_path / "vectors")
    assert (tmp_path / "vectors" / "mine").read_text() == "mine"
