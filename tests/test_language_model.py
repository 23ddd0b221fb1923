"""A model with its tokenizer: what it writes, streams, saves and refuses."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from idiolect.errors import ArtifactError, ModelError, TokenizerError, UsageError
from idiolect.evaluation.perplexity import token_log_probs
from idiolect.language_model import LanguageModel, load
from idiolect.models.config_json import TokenIds
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.models.transformer import Transformer
from idiolect.nn.cache import KVCache
from idiolect.tokenizers.base import Tokenizer

SAMPLE = (
    "To be, or not to be: naïve café, 你好世界, Привет! 🙂👩‍👩‍👧 To be is to do.\n\nAnd so on, und so weiter.\n" * 3
)
BPE = Tokenizer.train([SAMPLE], kind="bpe", vocab_size=290)
CHARACTERS = Tokenizer.train(["to be, or not to be"], kind="characters")


def language_model(tokenizer: Tokenizer = BPE, context: int = 16, seed: int = 0) -> LanguageModel:
    """A tiny decoder with random weights."""
    spec = TransformerSpec(tokenizer.vocab_size, context, layers=2, heads=2, kv_heads=1, dim=16, head_dim=8, mlp_dim=24)
    model = Transformer(spec)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.5)
    return LanguageModel(model, tokenizer)


class Scripted(Model):
    """A model that is sure of what comes at each position, and remembers what it read."""

    def __init__(self, script: Sequence[int], vocab_size: int = BPE.vocab_size) -> None:
        super().__init__()
        self.spec = TransformerSpec(vocab_size, context=512, layers=1, heads=1, kv_heads=1, head_dim=2)
        self.script = list(script)
        self.weight = nn.Parameter(torch.zeros(1))
        self.read: list[int] = []

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: KVCache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        assert cache is not None
        self.read += ids_BT[0].tolist()
        cache.advance(ids_BT.shape[1])
        following = torch.tensor(self.script[cache.length - ids_BT.shape[1] : cache.length])
        return nn.functional.one_hot(following, self.spec.vocab_size)[None].float()

    def head(self, hidden_BTD: Tensor) -> Tensor:
        return hidden_BTD

    def new_cache(self, rows: int, length: int) -> KVCache:
        return KVCache(1, rows, 1, length, 2)

    def init_weights(self, seed: int) -> None:
        raise NotImplementedError


def recite(ids: Sequence[int], stop: str | Sequence[str] = (), max_tokens: int | None = None) -> list[str]:
    """The pieces that come of a model that says exactly these ids and then ends."""
    model = Scripted([*ids, BPE.end_of_text], vocab_size=BPE.vocab_size + 6)
    length = len(ids) + 1 if max_tokens is None else max_tokens
    return list(LanguageModel(model, BPE).stream("", temperature=0, stop=stop, max_tokens=length))


def ended(text: str, stops: Sequence[str]) -> str:
    """The definition of stop strings: letter by letter, until the text ends with one."""
    for end in range(1, len(text) + 1):
        for stop in sorted(stops, key=len, reverse=True):
            if text[:end].endswith(stop):
                return text[: end - len(stop)]
    return text


def finished(raw: bytes) -> str:
    """The text of bytes, without a character left unfinished at their end."""
    return codecs.getincrementaldecoder("utf-8")(errors="replace").decode(raw)


TEXT = st.text(alphabet="To be né你世🙂\u200d👩\n", min_size=1, max_size=25)


@settings(deadline=None)
@given(text=TEXT, stops=st.lists(TEXT.map(lambda text: text[:3]), max_size=3))
def test_streamed_pieces_are_whole_characters_and_join_to_the_text(text: str, stops: list[str]) -> None:
    pieces = recite(BPE.encode(text), stops)
    assert "".join(pieces) == ended(text, stops)
    assert all(piece and "\ufffd" not in piece for piece in pieces)


@settings(deadline=None)
@given(text=TEXT, start=st.integers(0, 24), length=st.integers(1, 24))
def test_every_part_of_a_text_stops_it(text: str, start: int, length: int) -> None:
    stop = text[start % len(text) :][:length]
    assert "".join(recite(BPE.encode(text), stop)) == text[: text.index(stop)]


@settings(deadline=None)
@given(raw=st.binary(min_size=1, max_size=12), max_tokens=st.integers(1, 12))
def test_any_bytes_stream_and_an_unfinished_character_is_left_out(raw: bytes, max_tokens: int) -> None:
    id_of = {BPE.token_bytes(i): i for i in range(BPE.vocab_size)}
    ids = [id_of[bytes([byte])] for byte in raw]
    assert "".join(recite(ids, max_tokens=max_tokens)) == finished(raw[:max_tokens])


def test_half_a_character_is_never_printed() -> None:
    id_of = {BPE.token_bytes(i): i for i in range(BPE.vocab_size)}
    ids = [id_of[bytes([byte])] for byte in "a🙂b".encode()]
    assert recite(ids) == ["a", "🙂", "b"]
    assert recite(ids, max_tokens=4) == ["a"]


def test_a_possible_stop_string_is_held_back_until_it_is_clear() -> None:
    id_of = {BPE.token_bytes(i): i for i in range(BPE.vocab_size)}
    ids = [id_of[letter.encode()] for letter in "xEOxEND"]
    assert recite(ids, stop="END") == ["x", "EOx"[:2], "x"]
    assert recite(ids[:4], stop=["ENDED", "EOxE"]) == ["x", "EOx"], "what was held back comes at the end"


def test_the_end_of_text_ends_a_completion() -> None:
    to, be = BPE.encode("T")[0], BPE.encode("b")[0]
    model = Scripted([to, BPE.end_of_text, be, be])
    assert LanguageModel(model, BPE).complete("", temperature=0, max_tokens=4) == "T"
    assert model.read == [BPE.end_of_text, to], "nothing is computed after the end"


def test_a_stop_string_ends_the_work_too() -> None:
    model = Scripted(BPE.encode("b.bbbbbb"))
    assert LanguageModel(model, BPE).complete("", temperature=0, stop=".") == "b"
    assert len(model.read) == 2


def test_ids_of_a_padded_vocabulary_stand_for_nothing() -> None:
    letter = BPE.encode("T")[0]
    assert recite([letter, BPE.vocab_size + 5, letter]) == ["T", "T"]


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("", [BPE.end_of_text]),
        ("To be", BPE.encode("To be")),
        ("<|endoftext|>", BPE.encode("<|endoftext|>")),
    ],
)
def test_a_prompt_is_read_as_it_is_and_an_empty_one_opens_a_document(prompt: str, read: list[int]) -> None:
    model = Scripted([0] * 100)
    LanguageModel(model, BPE).complete(prompt, max_tokens=1)
    assert model.read == read
    assert (BPE.end_of_text in read) == (prompt == "")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63), prompt=st.sampled_from(["", "To be", "你好"]), samples=st.integers(1, 4))
def test_one_request_in_all_its_forms_gives_one_text(seed: int, prompt: str, samples: int) -> None:
    model = language_model()
    text = model.complete(prompt, max_tokens=20, seed=seed)
    assert text == model.complete(prompt, max_tokens=20, seed=seed)
    assert text == "".join(model.stream(prompt, max_tokens=20, seed=seed))
    texts = model.completions(prompt, samples, max_tokens=20, seed=seed)
    assert texts == model.completions(prompt, samples + 1, max_tokens=20, seed=seed)[:samples]
    assert texts[0] == text
    pieces = model.stream(prompt, max_tokens=20, seed=seed, sample=samples - 1)
    assert "".join(pieces) == texts[-1]


def test_samples_stop_each_for_itself() -> None:
    model = language_model(CHARACTERS)
    free = model.completions("to", 6, max_tokens=40, seed=3)
    assert model.completions("to", 6, max_tokens=40, seed=3, stop=["b", "nn"]) == [ended(t, ["b", "nn"]) for t in free]


def test_without_a_seed_every_completion_is_new() -> None:
    model = language_model()
    assert len({model.complete("To be", max_tokens=30, temperature=1.0) for _ in range(5)}) == 5


def test_sampling_options_reach_the_sampler() -> None:
    model = language_model()
    greedy = model.complete("To", max_tokens=20, temperature=0)
    options = [{"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}, {"temperature": 1e-9}]
    assert all(model.complete("To", max_tokens=20, **option) == greedy for option in options)  # type: ignore[arg-type]
    assert model.complete("To", max_tokens=20, temperature=0, repetition_penalty=5.0) != greedy


def test_log_prob_is_one_value_for_each_token() -> None:
    language = language_model(context=64)
    ids = BPE.encode("To be is to do")
    with torch.no_grad():
        shares_TV = language.model(torch.tensor([[BPE.end_of_text, *ids]]))[0].double().log_softmax(-1)
    values = language.log_prob("To be is to do")
    assert values.dtype == torch.float64
    torch.testing.assert_close(values, shares_TV[range(len(ids)), ids], rtol=0, atol=1e-5)
    assert language.log_prob("").shape == (0,)
    assert language.log_prob(SAMPLE).shape == (len(BPE.encode(SAMPLE)),), "longer than the context"


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"seed": 3}, {"seed": 4, "stop": ["b", "nn"], "max_tokens": 40}]
)
def test_a_batch_of_prompts_is_each_of_them_alone(options: dict[str, Any]) -> None:
    for tokenizer, prompts in ((BPE, ["To be", "", "你好", "To be", SAMPLE]), (CHARACTERS, ["to", "be or not", ""])):
        model = language_model(tokenizer)
        alone = [model.complete(prompt, **options) for prompt in prompts]
        assert model.complete_batch(prompts, **options) == alone
        assert model.complete_batch(prompts, batch_rows=2, **options) == alone


def test_a_stop_string_makes_room_for_the_next_prompt() -> None:
    model = Scripted(BPE.encode("b.bbbbbb"))
    assert LanguageModel(model, BPE).complete_batch(["", ""], temperature=0, stop=".", batch_rows=1) == ["b", "b"]
    assert len(model.read) == 4


def test_a_beam_of_one_is_greedy_and_wider_ones_are_ranked() -> None:
    model = language_model()
    [greedy] = model.beam_search("To be", beams=1, max_tokens=20)
    assert greedy.text == model.complete("To be", temperature=0, max_tokens=20)
    found = model.beam_search("To be", beams=6, nbest=6, max_tokens=8)
    assert len(found) == 6
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.log_prob < one.score < 0 for one in found)


def test_log_probs_of_several_texts_are_those_of_each() -> None:
    model = language_model()
    texts = ["To be", "", SAMPLE, "你好", "To be is to do"]
    for one, text in zip(model.log_probs(texts), texts):
        torch.testing.assert_close(one, model.log_prob(text), atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="2 texts and 1 prompts"):
        model.log_probs(["a", "b"], prompts=["c"])


def test_log_prob_after_a_prompt_is_a_difference_of_log_probs() -> None:
    model = language_model(CHARACTERS, context=64)
    values = model.log_prob(" not to be", prompt="to be, or")
    assert len(values) == len(" not to be")
    torch.testing.assert_close(values, model.log_prob("to be, or not to be")[len("to be, or") :])
    assert torch.equal(model.log_prob("to", prompt=""), model.log_prob("to"))


def test_a_choice_has_the_log_prob_of_the_text_after_the_prompt() -> None:
    model = language_model(context=64)
    choices = [" not to be", " so on", " do", " to be", " weiter."]
    found = model.choose("To be, or", choices)
    assert [choice.log_prob for choice in found] == sorted((choice.log_prob for choice in found), reverse=True)
    assert {choice.text for choice in found} == set(choices)
    for choice in found:
        values = model.log_prob(choice.text, prompt="To be, or")
        torch.testing.assert_close(choice.token_log_probs, values, atol=1e-5, rtol=0)
        whole = model.log_prob("To be, or" + choice.text).sum() - model.log_prob("To be, or").sum()
        assert choice.log_prob == pytest.approx(float(whole), abs=1e-4)


def test_choices_that_merge_with_the_prompt_are_compared_from_the_same_token() -> None:
    model = language_model(context=64)
    prompt, choices = "To b", ["e", "o", " so"]
    assert BPE.encode("To be")[: len(BPE.encode("To b"))] != BPE.encode("To b"), "a token straddles the border"
    found = model.choose(prompt, choices)
    shared = {len(BPE.encode(prompt + choice.text)) - len(choice.token_log_probs) for choice in found}
    assert len(shared) == 1, "all are scored from the same place"
    for one, other in itertools.pairwise(found):
        difference = model.log_prob(prompt + one.text).sum() - model.log_prob(prompt + other.text).sum()
        assert one.log_prob - other.log_prob == pytest.approx(float(difference), abs=1e-4)


def test_autocomplete_adds_up_all_that_begins_as_typed() -> None:
    model = language_model(CHARACTERS, context=32)
    words = model.autocomplete("to b", k=4)
    assert len(words) == 4 and all(word.startswith("b") and " " not in word for word, _ in words)
    for word, share in words:  # of characters there is one spelling, and a word ends before a space or with the text
        ends = [model.log_prob(f"to {word} ").sum(), end_log_prob(model, f"to {word}")]
        by_hand = sum(float(end.exp()) for end in ends) / float(model.log_prob("to b").sum().exp())
        assert share == pytest.approx(by_hand, rel=1e-3)
    lines = model.autocomplete("to b", k=2, unit="line")
    assert all(line.startswith("to b") for line, _ in lines)


def end_log_prob(model: LanguageModel, text: str) -> Tensor:
    """ln p of a document that is this text."""
    end = model.tokenizer.end_of_text
    return token_log_probs(model.model, [end, *model.tokenizer.encode(text), end]).sum()


def test_an_encoder_refuses_in_words_whatever_is_asked() -> None:
    spec = TransformerSpec(BPE.vocab_size, 16, layers=1, family="encoder", masked_head=True)
    encoder = Transformer(spec)
    encoder.init_weights(0)
    model = LanguageModel(encoder, BPE)
    for ask in (
        lambda: model.complete("To be"),
        lambda: model.complete_batch(["To be"]),
        lambda: model.beam_search("To be"),
        lambda: model.log_prob("To be"),
        lambda: model.choose("To", [" be"]),
        lambda: model.autocomplete("To b"),
    ):
        with pytest.raises(UsageError, match="reads both sides"):
            ask()


def test_odd_choices_and_batches_are_refused() -> None:
    model = language_model()
    for choices in ([], ["a", ""]):
        with pytest.raises(UsageError, match="nothing to choose from"):
            model.choose("To", choices)
    with pytest.raises(UsageError, match="longer than the model's context of 16"):
        model.choose("To", [SAMPLE])
    with pytest.raises(UsageError, match="no prompts"):
        model.complete_batch([])
    with pytest.raises(UsageError):
        model.complete_batch(["To"], stop="")
    with pytest.raises(UsageError, match="k must be"):
        model.autocomplete("To", k=0)
    assert model.choose(SAMPLE, [" be", " do"])[0].log_prob < 0, "of a prompt beyond the context the end is read"
    assert model.beam_search(SAMPLE, max_tokens=40)[0].log_prob < 0


def test_a_saved_folder_gives_the_same_model_back(tmp_path: Path) -> None:
    for name, tokenizer in [("bpe", BPE), ("characters", CHARACTERS)]:
        language = language_model(tokenizer)
        language.save(tmp_path / name)
        again = load(tmp_path / name)
        assert again.spec == language.spec
        assert not again.model.training, "ready to be read, dropout off"
        assert again.tokenizer.fingerprint() == tokenizer.fingerprint()
        assert again.complete("to be", max_tokens=30, seed=4) == language.complete("to be", max_tokens=30, seed=4)
        assert torch.equal(again.log_prob("to be"), language.log_prob("to be"))


def test_transformers_reads_the_folder_and_says_the_same(tmp_path: Path) -> None:
    language = language_model(context=64)
    language.save(tmp_path)
    peer, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    prompt = tokenizer("To be", return_tensors="pt")
    assert prompt["input_ids"][0].tolist() == BPE.encode("To be")
    with torch.no_grad():
        ids = peer.generate(**prompt, max_new_tokens=20, do_sample=False)[0, prompt["input_ids"].shape[1] :].tolist()
    assert tokenizer.decode(ids, skip_special_tokens=True) == BPE.decode(ids)
    assert language.complete("To be", max_tokens=20, temperature=0) == finished(BPE.decode_bytes(ids))


def test_the_card_says_what_it_is(tmp_path: Path) -> None:
    language_model().save(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "idiolect"
    assert card.data.pipeline_tag == "text-generation"
    assert "trained on rows of 16 tokens" in card.text


def test_saving_again_replaces_and_a_strangers_readme_is_kept(tmp_path: Path) -> None:
    language_model(context=16).save(tmp_path)
    language_model(context=8).save(tmp_path)
    assert load(tmp_path).spec.context == 8

    project = tmp_path / "project"
    project.mkdir()
    (project / "README.md").write_text("# My project\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="would be lost"):
        language_model().save(project)
    assert [path.name for path in project.iterdir()] == ["README.md"]
    with pytest.raises(ArtifactError, match="cannot be written"):
        language_model().save(project / "README.md")


def test_another_models_tokenizer_is_refused(tmp_path: Path) -> None:
    language_model().save(tmp_path / "model")
    other = Tokenizer.train([SAMPLE.upper()], kind="bpe", vocab_size=BPE.vocab_size)
    assert other.vocab_size == BPE.vocab_size
    other.save(tmp_path / "model")
    with pytest.raises(TokenizerError, match="not the one its model was trained with"):
        load(tmp_path / "model")


def test_a_folder_without_a_fingerprint_is_checked_for_size_only(tmp_path: Path) -> None:
    language_model().save(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config["idiolect"].pop("tokenizer_fingerprint") == BPE.fingerprint()
    path.write_text(json.dumps(config), encoding="utf-8")
    CHARACTERS.save(tmp_path)
    assert load(tmp_path).tokenizer.vocab_size < BPE.vocab_size
    Tokenizer.train([SAMPLE], kind="bpe", vocab_size=BPE.vocab_size + 1).save(tmp_path)
    with pytest.raises(TokenizerError, match="291 tokens and the model room for 290"):
        load(tmp_path)


def test_an_encoder_is_written_as_what_it_is(tmp_path: Path) -> None:
    """RoBERTa's folder, its positions counted from the padding token; no end of texts is claimed."""
    tokenizer = BPE.extend(["<pad>", "<mask>"], special=True).with_frame(roles={"pad": "<pad>", "mask": "<mask>"})
    shape = {
        **{"family": "encoder", "masked_head": True, "types": 1, "positions": "learned", "norm": "layer"},
        **{"norm_place": "post", "qk_norm": False, "biases": "all", "gated": False, "activation": "gelu"},
        **{"embedding_norm": True, "layers": 1, "heads": 2, "kv_heads": 2, "dim": 16, "head_dim": 8, "mlp_dim": 24},
    }
    model = Transformer(TransformerSpec(tokenizer.vocab_size, 16, **shape))  # type: ignore[arg-type]
    model.init_weights(seed=0)
    LanguageModel(model.eval(), tokenizer).save(tmp_path)
    peer = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    assert (peer.config.model_type, peer.config.pad_token_id) == ("roberta", tokenizer.role("pad"))
    assert peer.config.eos_token_id is None and not (tmp_path / "generation_config.json").exists()
    ids = torch.tensor([tokenizer.encode("To be is to do")])
    with torch.no_grad():
        torch.testing.assert_close(peer(ids).logits, load(tmp_path).model(ids), atol=1e-5, rtol=0)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.pipeline_tag == "fill-mask" and "AutoModel`" in card.text and "embed" in card.text


def test_the_names_that_users_of_transformers_look_for(tmp_path: Path) -> None:
    language = language_model()
    language.save_pretrained(tmp_path)
    for name in (tmp_path, str(tmp_path)):
        again = LanguageModel.from_pretrained(name)
        assert torch.equal(again.log_prob("To be"), language.log_prob("To be"))


def test_every_token_that_ends_a_text_is_kept_and_heeded(tmp_path: Path) -> None:
    """Checkpoints have several: one for documents, one for turns of a conversation."""
    tokenizer = BPE.extend(["<|turn|>"], special=True)
    letter, turn = BPE.encode("T")[0], tokenizer.special_tokens["<|turn|>"]
    language = language_model(tokenizer)
    language.tokens = TokenIds(begin=letter, ends=(BPE.end_of_text, turn))
    language.save(tmp_path)
    again = load(tmp_path)
    assert again.tokens == language.tokens
    assert AutoModelForCausalLM.from_pretrained(tmp_path).generation_config.eos_token_id == [BPE.end_of_text, turn]

    def said() -> LanguageModel:
        return LanguageModel(Scripted([letter, turn, letter, letter], tokenizer.vocab_size), tokenizer, again.tokens)

    assert said().complete("", temperature=0, max_tokens=4) == "T"
    assert said().complete_batch([""], temperature=0, max_tokens=4) == ["T"]
    assert said().beam_search("", beams=1, max_tokens=4)[0].text == "T"


@pytest.mark.parametrize("content", ["", "[]", '{"idiolect": 3}', "{", '{"model_type": "unheard of"}', "\udcff"])
def test_a_damaged_config_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    language_model().save(tmp_path)
    (tmp_path / "config.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError):
        load(tmp_path)


def test_a_missing_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "options",
    [{"max_tokens": 0}, {"max_tokens": -5}, {"seed": -1}, {"temperature": -1.0}, {"stop": ""}, {"stop": ["a", ""]}],
)
def test_bad_requests_are_refused_before_anything_is_said(options: dict[str, object]) -> None:
    model = language_model()
    with pytest.raises(UsageError):
        model.stream("To be", **options)  # type: ignore[arg-type]


def test_odd_prompts_and_numbers_of_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="samples"):
        language_model().completions("To be", 0)
    with pytest.raises(TokenizerError, match="'Q'"):
        language_model(CHARACTERS).complete("Q")
    with pytest.raises(TokenizerError):
        language_model().complete("\udcff")
