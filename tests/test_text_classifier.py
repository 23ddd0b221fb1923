"""A model that gives labels, with its tokenizer: what it says, learns, saves and refuses."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import idiolect
from idiolect import cli
from idiolect.compute import set_up
from idiolect.data.labelled import LabelledText, TaggedWords
from idiolect.errors import CorpusError, IdiolectError, ModelError, TokenizerError, UsageError
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.heads import Headed
from idiolect.models.shapes import SHAPES
from idiolect.models.spec import HeadSpec, RecurrentSpec, Spec, TransformerSpec
from idiolect.objectives.likelihood import Likelihood
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.text_classifier import TextClassifier
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.loop import fit
from idiolect.train.plan import Plan

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

NOUNS, GOOD, BAD = "movie film plot cast end start".split(), "great fine lovely".split(), "awful dull poor".split()
TEXTS = [
    LabelledText(f"the {noun} was {word}{end}", "positive" if word in GOOD else "negative")
    for noun in NOUNS
    for word in GOOD + BAD
    for end in ("", " indeed")
]
"""Every fifth of them is kept from training."""
WORDS = Tokenizer.train([one.text for one in TEXTS], kind="words", vocab_size=60)
SMALL = {"context": 12, "layers": 1, "dim": 16}
TINY = {**SMALL, "heads": 2, "kv_heads": 2, "head_dim": 8, "mlp_dim": 32}


def spec_of(family: str, tokenizer: Tokenizer) -> Spec:
    if family in ("rnn", "lstm", "gru"):
        return RecurrentSpec(tokenizer.vocab_size, **SMALL, family=family)  # type: ignore[arg-type]
    return TransformerSpec(tokenizer.vocab_size, **TINY, **(SHAPES["bert"] if family == "encoder" else {}))


def language_model(family: str, tokenizer: Tokenizer = WORDS, *, shaken: bool = False) -> LanguageModel:
    """A tiny model with random weights."""
    tokenizer = as_encoders(tokenizer) if family == "encoder" else tokenizer
    model = build(spec_of(family, tokenizer))
    model.init_weights(seed=0)
    if shaken:  # else each block is the identity, and no position knows of another
        random = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=random) * 0.3)
    return LanguageModel(model, tokenizer)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., None]:
    """`train(classifier, examples, steps=…)`: by the loop that trains everything."""

    def run(classifier: TextClassifier, examples: list[LabelledText] | list[TaggedWords], steps: int = 60) -> None:
        (tmp_path / "run").mkdir(exist_ok=True)
        plan = Plan(steps=steps, batch=8, warmup=4, lr=0.01, optimizer="adamw", checkpoint_every=0, evaluate_every=0)
        fit(
            classifier.model,
            classifier.rows(examples),
            Likelihood(few=True),
            plan,
            compute=set_up(1),
            precision="fp32",
            folder=tmp_path / "run",
            evaluate=lambda final: {"val_loss": classifier.measure(examples).loss},
        )

    return run


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("encoder", None), ("encoder", "mean"), ("decoder", None), ("decoder", "mean"), ("gru", "last")],
)
def test_it_learns_to_classify_texts(train: Callable[..., None], family: str, pooling: str | None) -> None:
    """With no flag of its own: labels are targets of weight 1, and the loss at first is near log(labels)."""
    classifier = TextClassifier.on(language_model(family), ("negative", "positive"), pooling=pooling)
    assert classifier.measure(TEXTS).loss == pytest.approx(0.693, abs=0.1)
    train(classifier, [one for n, one in enumerate(TEXTS) if n % 5])
    judged = classifier.measure(TEXTS[::5])
    assert judged.accuracy == 1.0 and judged.count == len(TEXTS[::5])
    [said] = classifier.classify(["the movie was great"])
    assert said.label == "positive" and said.probability > 0.6
    assert classifier.probabilities(["the movie was great"])[0, 1] == pytest.approx(said.probability)


def test_it_learns_to_tag_words(train: Callable[..., None]) -> None:
    tags = {**dict.fromkeys(NOUNS, "thing"), **dict.fromkeys(GOOD + BAD, "quality")}
    examples = [
        TaggedWords(words, [tags.get(word, "other") for word in words]) for words in (one.text.split() for one in TEXTS)
    ]
    classifier = TextClassifier.on(language_model("encoder"), ("other", "quality", "thing"), pooling="each")
    train(classifier, [one for n, one in enumerate(examples) if n % 5])
    assert classifier.measure(examples[::5]).accuracy > 0.95
    [said] = classifier.tag([["the", "movie", "was", "great"]])
    assert [label for label, _ in said] == ["other", "thing", "other", "quality"]
    assert classifier.tag([[]]) == [[]]


def test_what_is_said_of_a_text_does_not_depend_on_its_company() -> None:
    for family in ("encoder", "decoder", "lstm"):
        for pooling in ("last", "mean"):
            classifier = TextClassifier.on(language_model(family, shaken=True), ("a", "b", "c"), pooling=pooling)
            texts = [one.text for one in TEXTS[:7]] + ["", "great"]
            together = classifier.probabilities(texts)
            alone = torch.cat([classifier.probabilities([text]) for text in texts])
            torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
            torch.testing.assert_close(together.sum(dim=1), torch.ones(9))
            assert classifier.probabilities([]).shape == (0, 3)


@pytest.mark.parametrize(("family", "pooling"), [("encoder", None), ("decoder", None), ("encoder", "each")])
def test_transformers_reads_the_folder_with_its_tokenizer(tmp_path: Path, family: str, pooling: str | None) -> None:
    classifier = TextClassifier.on(
        language_model(family, shaken=True), ("negative", "positive"), pooling=pooling, seed=3
    )
    with torch.no_grad():
        classifier.model.score.weight.mul_(30)
    classifier.save(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    kind = AutoModelForTokenClassification if pooling else AutoModelForSequenceClassification
    theirs, notes = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(notes.values()) and theirs.config.id2label == {0: "negative", 1: "positive"}
    text = TEXTS[3].text
    told = theirs.eval()(**tokenizer(text, return_tensors="pt")).logits.softmax(dim=-1)
    if pooling:
        said = [probability for _, probability in classifier.tag([text.split()])[0]]
        torch.testing.assert_close(torch.tensor(said), told[0].max(dim=-1).values[1:-1], atol=1e-5, rtol=0)
    elif family == "encoder":
        torch.testing.assert_close(classifier.probabilities([text]), told, atol=1e-5, rtol=0)
    again = TextClassifier.load(tmp_path)
    assert again.labels == classifier.labels and again.model.spec == classifier.model.spec
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"pipeline_tag: {'token' if pooling else 'text'}-classification" in card and "TextClassifier" in card


@pytest.mark.parametrize(
    ("family", "pooling"), [("encoder", None), ("decoder", None), ("encoder", "each"), ("decoder", "mean")]
)
def test_the_command_proves_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str, pooling: str | None
) -> None:
    TextClassifier.on(language_model(family, shaken=True), ("a", "b", "c"), pooling=pooling).save(tmp_path)
    proofs = idiolect.prove(tmp_path)
    assert [proof.what for proof in proofs if not proof.holds] == []
    whats = {proof.what for proof in proofs}
    assert whats >= {"batched = single", "packed = unpacked", "saved = loaded", "accumulated = whole batch"}
    assert "cached = uncached" not in whats, "it remembers nothing"
    assert ("ours = transformers" in whats) == (pooling != "mean"), "of a mean transformers has no class"
    assert "| batched = single |" in (tmp_path / "README.md").read_text("utf-8")


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru", "decoder", "encoder"])
@pytest.mark.parametrize("pooling", ["last", "mean", "each"])
def test_every_family_and_head_comes_back_from_its_folder(tmp_path: Path, family: str, pooling: str) -> None:
    classifier = TextClassifier.on(language_model(family), ("a", "b"), pooling=pooling)
    classifier.save_pretrained(tmp_path)
    again = TextClassifier.from_pretrained(tmp_path)
    if pooling == "each":
        assert again.tag([["the", "movie"]]) == classifier.tag([["the", "movie"]])
    else:
        assert torch.equal(again.probabilities(["the movie"]), classifier.probabilities(["the movie"]))


def test_pairs_are_read_with_their_segments() -> None:
    classifier = TextClassifier.on(language_model("encoder", shaken=True), ("a", "b"))
    with torch.no_grad():
        classifier.model.score.weight.mul_(30)
    one, other = classifier.probabilities([("the movie", "was great"), ("was great", "the movie")])
    assert (one - other).abs().max() > 1e-4
    long = " ".join(["great"] * 30)
    [said] = classifier.classify([(long, long)])
    assert said.label in ("a", "b"), "the longer one is shortened until both fit"


REFUSALS: dict[str, tuple[Callable[[TextClassifier], object], type[IdiolectError], str]] = {
    "a text and no list": (lambda c: c.classify("the movie"), UsageError, "list of texts"),
    "three texts": (lambda c: c.classify([("a", "b", "c")]), UsageError, "pair of strings"),
    "words": (lambda c: c.tag([["the"]]), UsageError, "use classify"),
    "tags": (lambda c: c.rows([TaggedWords(["the"], ["a"])]), UsageError, "learns from texts"),
    "no examples": (lambda c: c.rows([]), CorpusError, "no example"),
    "another label": (lambda c: c.rows([LabelledText("the", "x")]), CorpusError, "none of 'a', 'b'"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_makes_no_sense_is_refused_in_words(name: str) -> None:
    ask, kind, says = REFUSALS[name]
    with pytest.raises(kind, match=says):
        ask(TextClassifier.on(language_model("encoder"), ("a", "b")))


def test_a_tagger_refuses_texts_and_what_is_too_long() -> None:
    tagger = TextClassifier.on(language_model("decoder"), ("a", "b"), pooling="each")
    with pytest.raises(UsageError, match="use tag"):
        tagger.classify(["the movie"])
    with pytest.raises(UsageError, match="Text 1 is longer than the model's context of 12"):
        tagger.tag([["great"] * 12])
    with pytest.raises(UsageError, match="list of words"):
        tagger.tag(["great"])
    with pytest.raises(UsageError, match="learns from words"):
        tagger.rows([LabelledText("the", "a")])


def test_one_label_is_no_choice() -> None:
    with pytest.raises(UsageError, match="one label only"):
        TextClassifier.on(language_model("decoder"), ("reward",)).classify(["the movie"])


def test_a_frame_of_another_models_tokenizer_is_refused() -> None:
    tokenizer = as_encoders(WORDS)
    shape = {**SHAPES["roberta"], "masked_head": False}
    model = build(TransformerSpec(tokenizer.vocab_size, **TINY, **shape, pooler=True, head=HeadSpec(("a", "b"))))
    model.init_weights(seed=0)
    classifier = TextClassifier(model, tokenizer)
    assert len(classifier.classify(["the movie"])) == 1
    with pytest.raises(TokenizerError, match="vectors for 1 only"):
        classifier.classify([("the movie", "was great")])


def test_folders_of_the_other_kind_are_refused_with_the_way_to_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    language_model("decoder").save(tmp_path / "lm")
    TextClassifier.on(language_model("decoder"), ("a", "b")).save(tmp_path / "labels")
    with pytest.raises(ModelError, match=r"load it by idiolect\.load"):
        idiolect.TextClassifier.load(tmp_path / "lm")
    for words in (["complete", "labels", "the"], ["fill", "labels", "the [MASK]"], ["autocomplete", "labels", "th"],
                  ["export", "labels", "--out", "x.gguf"]):  # fmt: skip
        words[1] = str(tmp_path / "labels")
        assert cli.main(words) == 2
        assert "load it by idiolect.TextClassifier.load" in capsys.readouterr().err, words


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    classifier = TextClassifier.on(language_model("decoder"), ("a", "b"))
    classifier.save(tmp_path / "m")
    Tokenizer.train(["the"], kind="bytes").save(tmp_path)
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "m" / "tokenizer.json")
    with pytest.raises(TokenizerError):
        TextClassifier.load(tmp_path / "m")


def test_labels_are_kept_in_their_order_whatever_their_script(tmp_path: Path) -> None:
    labels = tuple(f"étiquette {n} 标签" for n in range(12))
    TextClassifier.on(language_model("encoder"), labels).save(tmp_path)
    assert TextClassifier.load(tmp_path).labels == labels
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["label2id"] == {label: number for number, label in enumerate(labels)}


def test_a_base_stays_as_it_is() -> None:
    base = language_model("encoder")
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    classifier = TextClassifier.on(base, ("a", "b"))
    assert isinstance(classifier.model, Headed)
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(base.model.state_dict()[name], tensor) for name, tensor in before.items())
