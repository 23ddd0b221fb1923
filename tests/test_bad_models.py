"""Models that cannot be, for every family and every head: exit code 2, one sentence, and never a number that is none.

What goes for tensors and fields one by one is in `tests/models`; here it is what a person meets.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from idiolect import cli
from idiolect.data.batch import Batch
from idiolect.data.labelled import LabelledText
from idiolect.errors import IdiolectError, ModelError, UsageError
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.shapes import SHAPES
from idiolect.models.spec import HeadSpec, RecurrentSpec, Spec, TransformerSpec
from idiolect.objectives.likelihood import Likelihood
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.text_classifier import TextClassifier
from idiolect.tokenizers.base import Tokenizer

TEXT = "the movie was great and the film was bad"
PLAIN = Tokenizer.train([TEXT], kind="characters")
FAMILIES = ("rnn", "lstm", "gru", "qwen3", "qwen2", "llama", "mistral", "gpt2", "bert", "roberta", "modernbert")
ENCODERS = ("bert", "roberta", "modernbert")
HEADS = ("tokens", "texts", "words")
KINDS = [f"{family}, {head}" for family in FAMILIES for head in HEADS]


def spec_of(family: str, vocab_size: int) -> Spec:
    """A tiny shape of each family."""
    if family in ("rnn", "lstm", "gru"):
        return RecurrentSpec(vocab_size, 12, layers=1, dim=8, family=family)  # type: ignore[arg-type]
    sizes = {"layers": 1, "dim": 8, "heads": 2, "kv_heads": 2, "head_dim": 4, "mlp_dim": 12}
    return TransformerSpec(vocab_size, 12, **sizes, **SHAPES[family])  # type: ignore[arg-type, index]


def model_of(kind: str) -> LanguageModel | TextClassifier:
    """A tiny model of a family, with a head."""
    family, head = kind.split(", ")
    tokenizer = as_encoders(PLAIN) if family in ENCODERS else PLAIN
    network = build(spec_of(family, tokenizer.vocab_size))
    network.init_weights(seed=0)
    model = LanguageModel(network, tokenizer)
    if head == "tokens":
        return model
    return TextClassifier.on(model, ("good", "bad"), pooling="each" if head == "words" else None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        model_of(kind).save(folder / kind)
    return folder


def use(folder: Path, capsys: pytest.CaptureFixture[str], text: str = "the movie") -> tuple[int, str]:
    """What a person does with the model; the exit code, and the sentence on standard error."""
    family, head = folder.name.split(", ")
    capsys.readouterr()
    if head != "tokens":
        try:
            classifier = TextClassifier.load(folder)
            said = classifier.tag([text.split()])[0] if head == "words" else classifier.classify([text])
        except IdiolectError as error:
            return error.exit_code, str(error)
        assert all(0 < one.probability <= 1 for one in said)
        return 0, ""
    words = ["fill", str(folder), f"{text}[MASK]"] if family in ENCODERS else ["complete", str(folder), text]
    code = cli.main([*words, *([] if family in ENCODERS else ["--max-tokens", "3", "--seed", "0"])])
    told = capsys.readouterr()
    assert "nan" not in told.out and "Traceback" not in told.err
    return code, told.err


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file(found, folder / "model.safetensors")

    return damage


def config(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    return damage


def pickled(folder: Path) -> None:
    """The weights as others kept them for long: what is loaded from there would leave a mark."""

    class Mark:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (folder / "it ran",)

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Mark()))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a tensor is missing": (tensors(lambda found: found.pop(max(found))), "lacks the tensor"),
    "a tensor too many": (tensors(lambda found: found.update(odd=torch.ones(2))), "has the tensor odd"),
    "another shape": (tensors(lambda found: found.update({min(found): torch.ones(3, 3, 3)})), "has shape [3, 3, 3]"),
    "not a number": (tensors(lambda found: found[max(found)].view(-1)[0].fill_(torch.nan)), "not finite"),
    "infinite": (tensors(lambda found: found[min(found)].view(-1)[0].fill_(torch.inf)), "not finite"),
    "an unknown architecture": (config(model_type="mamba"), 'model_type "mamba"'),
    "an unknown class": (config(architectures=["Nothing"]), 'architectures ["Nothing"]'),
    "a pickle": (pickled, "pytorch_model.bin, a format that can run code and is never loaded"),
    "a larger tokenizer": (Tokenizer.train([TEXT], kind="bytes").save, "use the tokenizer it was trained with"),
    "another tokenizer": (Tokenizer.train(["the"], kind="characters").save, "not the one its model was trained with"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "There is no tokenizer"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_model_is_refused_in_a_sentence(
    made: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert use(made / kind, capsys) == (0, "")
    for name, (damage, says) in DAMAGE.items():
        folder = tmp_path / name / kind
        shutil.copytree(made / kind, folder)
        damage(folder)
        code, sentence = use(folder, capsys)
        assert code == 2 and says in sentence, (name, sentence)
        assert sentence.strip().count("\n") == 0, (name, sentence)
        assert not (folder / "it ran").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_longer_than_the_context(made: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What continues text reads its end, what labels texts its beginning; what must see all of it refuses."""
    family, head = kind.split(", ")
    recurrent = family in ("rnn", "lstm", "gru")
    code, sentence = use(made / kind, capsys, text=" ".join([TEXT] * 3))
    if (head == "words" and not recurrent) or (head == "tokens" and family in ENCODERS):
        assert code == 2 and "context of 12" in sentence
    else:
        assert (code, sentence) == (0, "")


@pytest.mark.parametrize("kind", KINDS)
def test_ids_beyond_the_vocabulary_are_refused(kind: str) -> None:
    network = model_of(kind).model
    for odd in (network.spec.vocab_size, -1):
        with pytest.raises(ModelError, match=f"Token {odd} is outside the model's vocabulary"):
            network(torch.tensor([[1, odd, 2]]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("few", [False, True])
def test_a_batch_in_which_nothing_counts_has_a_loss_of_zero_and_no_gradient(kind: str, few: bool) -> None:
    network = model_of(kind).model
    ids_BT = torch.ones(2, 5, dtype=torch.int64)
    batch = Batch(ids_BT, torch.zeros_like(ids_BT), torch.zeros(2, 5), (torch.arange(5) > 2).long().expand(2, 5))
    loss = Likelihood(few=few)(network, batch)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0 and batch.weight == 0.0
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or not parameter.grad.any(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_that_is_not_there_is_named(family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of(f"{family}, tokens")
    assert isinstance(model, LanguageModel)
    model.save(tmp_path / "m")
    with pytest.raises(ModelError, match="gives tokens, not labels"):
        TextClassifier.load(tmp_path / "m")
    wrong = ["complete", "a"] if family in ENCODERS else ["fill", "[MASK]"]
    assert cli.main([wrong[0], str(tmp_path / "m"), wrong[1]]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    if family in ENCODERS:
        assert "It can fill masks instead" in told.err
    else:
        assert "cannot fill masks: let it complete" in told.err


def test_a_model_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    classifier = model_of("bert, texts")
    assert isinstance(classifier, TextClassifier)
    with torch.no_grad():
        classifier.model.score.weight[0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"classifier\.weight holds a number that is not finite"):
        classifier.save(tmp_path / "m")
    assert not (tmp_path / "m" / "model.safetensors").exists()


def test_labels_of_another_task_are_refused_before_anything_is_learnt() -> None:
    classifier = model_of("lstm, texts")
    assert isinstance(classifier, TextClassifier)
    with pytest.raises(IdiolectError, match="none of 'good', 'bad'"):
        classifier.rows([LabelledText("the movie", "fine")])
    with pytest.raises(UsageError, match="first position"):
        TextClassifier.on(LanguageModel(build(spec_of("lstm", PLAIN.vocab_size)), PLAIN), ("a", "b"), pooling="cls")
    with pytest.raises(UsageError, match="Labels must be"):
        HeadSpec(("a", "a"))
