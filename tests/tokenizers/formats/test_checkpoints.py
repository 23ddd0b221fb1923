"""The pipelines of checkpoints in use, built here as their files have them, read with the peers' ids.

RoBERTa, BART, ALBERT, DeBERTa v3, Pythia, Phi-3 and others: what each does that no other does. The texts are hostile.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import sentencepiece
import tokenizers
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.cutting import Cutter
from idiolect.tokenizers.finding import Strip
from idiolect.tokenizers.formats import convert
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.patterns import PATTERNS

Train = Callable[..., bytes]
CORPUS = ["The quick brown fox's `` cat'' jumps; the car, the   cat 123 é 你好 naïve"] * 3
PARTS = [
    *("the", "Quick", "cat", "'s", "``", "''", '"', "12", "٣", "½", "x1", ".", "!?", "_", "-"),
    *(" ", "  ", "    ", "\t", "\n", "\r\n", "\u3000", "\x85", "\xa0", "\u200b", "\u2028", "▁", "\x1c"),
    *("é", "e\u0301", "ﬁ", "你", "好", "ж", "Σ", "ΑΣ", "İ", "ẞ", "\u0301", "ङि", "ǅ", "😀", "\x00"),
]


def texts(names: list[str] = [], count: int = 800) -> list[str]:  # noqa: B006  it is only read
    """Random rows of what is hard, and of names of tokens."""
    chance = random.Random(1)
    return ["", *("".join(chance.choices(PARTS + names * 3, k=chance.randrange(14))) for _ in range(count))]


def same(theirs: tokenizers.Tokenizer, folder: Path, names: list[str] = []) -> Tokenizer:  # noqa: B006
    """Ids without special tokens, with them, and in the frame, as it is read and as it is written again."""
    theirs.save(str(folder / "tokenizer.json"))
    ours = Tokenizer.load(folder)
    ours.save(folder)
    saved = Tokenizer.load(folder)
    assert saved.fingerprint() == ours.fingerprint()
    again = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = texts(names)
    for peer in (theirs, again):
        peer.encode_special_tokens = True
        for text, encoding in zip(rows, peer.encode_batch(rows, add_special_tokens=False)):
            if not any(name in text for name in ours.special_tokens):  # there, a vocabulary's piece may have the name
                assert ours.encode(text) == encoding.ids, text
        peer.encode_special_tokens = False
        for text, encoding in zip(rows, peer.encode_batch(rows)):
            ids = ours.encode(text, allowed_special=ours.special_tokens)
            assert ours.framed(ids) == (encoding.ids, encoding.type_ids), text
    for text in rows[:50]:
        ids = ours.encode(text, allowed_special=ours.special_tokens)
        assert ours.encode(text.encode(), allowed_special=ours.special_tokens) == ids
        assert saved.encode(text, allowed_special=saved.special_tokens) == ids
    return ours


def byte_level(prefix: bool = False, special: list[str] = ["<|endoftext|>"]) -> tokenizers.Tokenizer:  # noqa: B006
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    theirs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(CORPUS, trainer)
    return theirs


@pytest.mark.parametrize("prefix", [False, True], ids=["roberta", "with a space in front"])
def test_roberta(prefix: bool, tmp_path: Path) -> None:
    theirs = byte_level(prefix, ["<s>", "<pad>", "</s>", "<unk>"])
    theirs.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=prefix)
    theirs.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    ours = same(theirs, tmp_path, ["<mask>", " <mask>", "</s>"])
    assert ours.frame == Frame.roberta()
    assert ours.strips == {"<mask>": Strip(left=True)}
    mask = ours.special_tokens["<mask>"]
    places = ours.encode_with_offsets("é \u3000<mask> x", allowed_special={"<mask>"}) if not prefix else None
    if places is not None:
        assert places.characters[places.ids.index(mask)] == (1, 9)
    wide = ours.encode(b"\xff\xe3\x80\x80<mask>\xe3\x80", allowed_special={"<mask>"}) if not prefix else []
    if wide:  # bytes that are no text, beside a space that is
        assert wide == [*ours.encode(b"\xff"), mask, *ours.encode(b"\xe3\x80")]


def test_sentence_transformers(tmp_path: Path) -> None:
    """A length to which texts are cut and filled up, which neither `encode` nor `transformers` do unasked."""
    theirs = byte_level(special=["[PAD]", "<|endoftext|>"])
    theirs.enable_truncation(7)
    theirs.enable_padding(length=9)
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    for text in texts():
        assert ours.encode(text) == theirs.encode(text).ids == fast(text)["input_ids"], text
    ours.save(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))["truncation"] is None


def test_phi_3_and_tokens_that_strip_both_sides(tmp_path: Path) -> None:
    theirs = byte_level()
    theirs.add_special_tokens([AddedToken("<|user|>", rstrip=True), AddedToken("<|both|>", lstrip=True, rstrip=True)])
    theirs.add_tokens([AddedToken("</s>", rstrip=True, normalized=False), AddedToken("<t>", lstrip=True)])
    same(theirs, tmp_path, ["<|user|>", "<|both|>", "</s>", "<t>", "<|both|> <|both|>"])


def standing_alone(normalizer: Any = None) -> tokenizers.Tokenizer:
    theirs = byte_level()
    if normalizer is not None:
        theirs.normalizer = normalizer
    theirs.add_special_tokens([AddedToken("[M]", single_word=True, lstrip=True, normalized=False)])
    theirs.add_tokens([AddedToken("rat", single_word=True, rstrip=True, normalized=False), AddedToken("<t>")])
    theirs.add_tokens([AddedToken("dog", single_word=True), AddedToken("rat'", normalized=False)])
    return theirs


@pytest.mark.parametrize("normalizer", [None, normalizers.NFC()])
def test_tokens_that_stand_alone(normalizer: Any, tmp_path: Path) -> None:
    theirs = standing_alone(normalizer)
    ours = same(theirs, tmp_path, ["rat", "dog", "<t>", "rat'", "[M]", " rat ", " [M] "])
    assert ours.strips["rat"] == Strip(right=True, alone=True)
    assert ours.added["rat"] in ours.encode("a rat.") and ours.added["rat"] not in ours.encode("a rats_")
    if normalizer is None:  # of every character that Python and the peer both know, whether it is of a word
        beside = [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
        encodings = theirs.encode_batch([f"{character}rat" for character in beside], add_special_tokens=False)
        rat = ours.added["rat"]
        found = [rat in encoding.ids for encoding in encodings]
        assert [rat in ours.encode(f"{character}rat") for character in beside] == found


def test_tokens_that_are_normalized_are_found_after_the_others(tmp_path: Path) -> None:
    """Also where nothing is normalized."""
    theirs = byte_level()
    theirs.add_tokens([AddedToken("rat<", normalized=True), AddedToken("t<t>", normalized=False)])
    ours = same(theirs, tmp_path, ["rat<t>", "rat<", "t<t>"])
    assert ours.encode("rat<t>") == [*ours.encode("ra"), ours.added["t<t>"]]


@pytest.mark.parametrize(("special", "message"), [("end", "begins or ends as a word"), ("[M]", "in normalized text")])
def test_tokens_alone_beside_what_is_not_seen_are_refused(special: str, message: str, tmp_path: Path) -> None:
    theirs = byte_level()
    theirs.normalizer = normalizers.NFC()
    theirs.add_special_tokens([AddedToken(special, single_word=special == "[M]", normalized=special == "[M]")])
    theirs.add_tokens([AddedToken("rat", single_word=True, normalized=special == "[M]")])
    theirs.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.load(tmp_path)


def test_a_token_of_spaces_beside_one_that_takes_them_is_refused(tmp_path: Path) -> None:
    theirs = byte_level()
    theirs.add_tokens([AddedToken("</s>", rstrip=True), AddedToken("  ")])
    theirs.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match="begins with whitespace"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("normalizer", [None, normalizers.NFC(), normalizers.Lowercase()])
def test_pythia(normalizer: Any, tmp_path: Path) -> None:
    """Runs of spaces are tokens of their own, found in the text after it was normalized."""
    theirs = byte_level()
    if normalizer is not None:
        theirs.normalizer = normalizer
    theirs.add_tokens([AddedToken(" " * n, normalized=True) for n in (4, 3, 2)])
    theirs.add_tokens([AddedToken("<Ab>", normalized=False)])
    same(theirs, tmp_path, ["<Ab>", "<ab>", "     "])


def test_added_tokens_whose_names_are_changed_are_refused(tmp_path: Path) -> None:
    theirs = byte_level()
    theirs.normalizer = normalizers.Lowercase()
    theirs.add_tokens([AddedToken("<Ab>", normalized=True)])
    theirs.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match="changes the name of its added token"):
        Tokenizer.load(tmp_path)


def unigram(normalizer: Any, pre_tokenizer: Any, special: list[str]) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(models.Unigram())
    if normalizer is not None:
        theirs.normalizer = normalizer
    theirs.pre_tokenizer = pre_tokenizer
    theirs.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>", show_progress=False)
    theirs.train_from_iterator(CORPUS, trainer)
    return theirs


def test_albert(tmp_path: Path) -> None:
    steps = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD()]
    steps += [normalizers.StripAccents(), normalizers.Lowercase()]
    cut = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    theirs = unigram(normalizers.Sequence(steps), cut, ["<pad>", "<unk>", "[CLS]", "[SEP]"])
    theirs.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    theirs.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    assert same(theirs, tmp_path, ["[MASK]", " [MASK]"]).frame == Frame.bert()


def package_unigram() -> tokenizers.Tokenizer:
    """Nmt drops control characters and makes spaces of others; runs of spaces become one, and ends are not trimmed."""
    theirs = tokenizers.SentencePieceUnigramTokenizer()
    special = ["<unk>", "</s>"]
    theirs.train_from_iterator(CORPUS, 150, special_tokens=special, show_progress=False, unk_token="<unk>")
    return tokenizers.Tokenizer.from_str(theirs.to_str())


def package_bpe() -> tokenizers.Tokenizer:
    theirs = tokenizers.SentencePieceBPETokenizer()
    theirs.train_from_iterator(CORPUS, vocab_size=150, special_tokens=["<unk>", "</s>"], show_progress=False)
    return tokenizers.Tokenizer.from_str(theirs.to_str())


@pytest.mark.parametrize("make", [package_unigram, package_bpe])
def test_the_unigram_and_bpe_of_the_tokenizers_package(
    make: Callable[[], tokenizers.Tokenizer], tmp_path: Path
) -> None:
    same(make(), tmp_path)


def test_every_character_is_normalized_as_by_nmt() -> None:
    ours, theirs = Normalizer(nmt=True), normalizers.Nmt()
    for first in range(0, 0x110000, 0x1000):
        row = "a".join(chr(c) for c in range(first, first + 0x1000) if unicodedata.category(chr(c)) != "Cs")
        assert ours(row) == theirs.normalize_str(row)


def test_deberta_v3(tmp_path: Path) -> None:
    """Whitespace of every kind is joined and stripped behind; a space in front where there is none."""
    joined = normalizers.Replace(tokenizers.Regex(r"\s{2,}|[\n\r\t]"), " ")
    steps = normalizers.Sequence([joined, normalizers.NFC(), normalizers.Strip(left=False, right=True)])
    theirs = unigram(steps, pre_tokenizers.Sequence([pre_tokenizers.Metaspace()]), ["[PAD]", "<unk>", "[CLS]", "[SEP]"])
    theirs.add_special_tokens(["[MASK]"])
    same(theirs, tmp_path, ["[MASK]"])


@pytest.mark.parametrize("name", ["albert", "deberta-v2"])
def test_what_transformers_makes_of_it(name: str, tmp_path: Path) -> None:
    pieces = json.loads(unigram(None, pre_tokenizers.Metaspace(), ["<unk>"]).to_str())["model"]["vocab"]
    vocab = [tuple(piece) for piece in pieces if piece[0] != "<unk>"]
    if name == "albert":
        special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
        theirs: Any = transformers.AlbertTokenizer(vocab=[*((s, 0.0) for s in special), *vocab])
    else:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        theirs = transformers.DebertaV2Tokenizer(vocab=[*((s, 0.0) for s in special), *vocab])
    theirs.save_pretrained(tmp_path)
    ours = Tokenizer.load(tmp_path)
    assert ours.frame == Frame.bert()
    assert ours.role("mask") == theirs.mask_token_id
    for text in texts():
        assert ours.framed(ours.encode(text)).ids == theirs(text)["input_ids"], text


@pytest.mark.parametrize("fuse", [False, True])
def test_unknown_characters_one_by_one_or_in_a_row(fuse: bool, tmp_path: Path) -> None:
    theirs = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse))
    theirs.pre_tokenizer = pre_tokenizers.Metaspace()
    theirs.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=60, special_tokens=["<unk>", "</s>"], limit_alphabet=20, show_progress=False
    )
    theirs.train_from_iterator(CORPUS, trainer)
    ours = same(theirs, tmp_path)
    assert ours.encode("ЖЖ").count(0) == (1 if fuse else 2)
    if not fuse:
        with pytest.raises(TokenizerError, match="SentencePiece"):
            convert(ours, "sentencepiece")


@pytest.mark.parametrize(
    "steps",
    [
        [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()],
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()],
        [normalizers.Lowercase()],
    ],
)
def test_wordpiece_with_its_cleaning_in_parts(steps: list[Any], tmp_path: Path) -> None:
    theirs = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    theirs.normalizer = normalizers.Sequence(steps)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    theirs.decoder = decoders.WordPiece(cleanup=False)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    theirs.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    same(theirs, tmp_path, ["[MASK]"])


def test_every_mark_that_they_drop_we_drop(tmp_path: Path) -> None:
    ours, theirs = Normalizer(strip_accents=True), normalizers.StripAccents()
    lower, lower_theirs = Normalizer(lowercase=True), normalizers.Lowercase()
    different = []
    for character in map(chr, range(1, sys.maxunicode + 1)):
        if unicodedata.category(character) in ("Cn", "Cs"):
            continue
        if ours(character) != theirs.normalize_str(character):
            different.append(character)
        if lower(character) != lower_theirs.normalize_str(character):
            different.append(character)
    assert len(different) < 400  # what Unicode added since their tables
    assert not [character for character in different if character < "\u07f0"]


def test_bert_of_vocab_txt(tmp_path: Path) -> None:
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learnt = tokenizers.BertWordPieceTokenizer()
    learnt.train_from_iterator(CORPUS, vocab_size=120, special_tokens=special, show_progress=False)
    learnt.save_model(str(tmp_path))
    rows = texts()
    for config in ({}, {"do_lower_case": False}, {"strip_accents": False}, {"tokenize_chinese_chars": False}):
        if config:
            (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        theirs = transformers.BertTokenizer.from_pretrained(tmp_path)
        ours = Tokenizer.load(tmp_path)
        assert (ours.frame, ours.role("mask"), ours.end_of_text_name) == (Frame.bert(), 5, "[SEP]")
        for text, other in itertools.pairwise(rows):
            ids, others = ours.encode(text), ours.encode(other)
            assert ids == theirs(text, add_special_tokens=False)["input_ids"], text
            assert ours.framed(ids).ids == theirs(text)["input_ids"]
            both = theirs(text, other) if other else theirs([(text, other)])
            if other:
                assert ours.framed(ids, others) == (both["input_ids"], both["token_type_ids"])
    (tmp_path / "saved").mkdir()
    ours.save(tmp_path / "saved")
    assert Tokenizer.load(tmp_path / "saved").fingerprint() == ours.fingerprint()


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"vocab.txt": "a\nb\na\n[UNK]\n[CLS]\n[SEP]"}, 'line 1 is empty or stands twice: "a"'),
        ({"vocab.txt": "[UNK]\n\n[CLS]\n[SEP]\n"}, "line 2 is empty"),
        ({"vocab.txt": "[UNK]\n[CLS]\n"}, r"has no token \[SEP\]"),
        ({"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n", "tokenizer_config.json": '{"do_lower_case": 1}'}, "of type bool"),
        ({"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n", "added_tokens.json": '{"<x>": 3}'}, "adds tokens"),
        (
            {"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n", "tokenizer_config.json": '{"tokenizer_class": "MPNetTokenizer"}'},
            'family "mpnet"',
        ),
        (
            {"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n", "tokenizer_config.json": '{"do_basic_tokenize": false}'},
            "cut as BERT cuts",
        ),
    ],
)
def test_each_fault_of_a_vocab_txt_is_named(files: dict[str, str], fault: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(TokenizerError, match=fault):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("family", ["RobertaTokenizer", "GPT2Tokenizer", "Qwen2Tokenizer"])
def test_vocab_json_and_merges_txt_beside_a_configuration(family: str, tmp_path: Path) -> None:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if family == "RobertaTokenizer" else ["<|endoftext|>"]
    byte_level(special=special).model.save(str(tmp_path))
    for config in ({}, {"add_prefix_space": True}) if family != "Qwen2Tokenizer" else ({},):
        if family == "RobertaTokenizer":  # where nothing is said, ours is as the checkpoint's own tokenizer.json has it
            config = {**config, "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True}}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": family, **config}))
        theirs = getattr(transformers, family).from_pretrained(tmp_path)
        ours = Tokenizer.load(tmp_path)
        for text in texts(["<mask>", " <mask>"] if family == "RobertaTokenizer" else []):
            ids = ours.encode(text, allowed_special=ours.special_tokens)
            assert ours.framed(ids).ids == theirs(text)["input_ids"], text
    assert ours.frame == (Frame.roberta() if family == "RobertaTokenizer" else Frame())


def test_add_bos_token_beside_a_sentencepiece_model(spm: Train, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(spm(model_type="bpe", byte_fallback=True, vocab_size=380))
    config = tmp_path / "tokenizer_config.json"
    for setting, frame in (
        ({}, Frame()),
        ({"add_bos_token": True, "bos_token": "<s>"}, Frame.ends("<s>", None)),
        ({"add_eos_token": True, "eos_token": {"content": "</s>"}}, Frame.ends(None, "</s>")),
        ({"add_bos_token": True, "bos_token": None}, Frame()),
    ):
        config.write_text(json.dumps(setting))
        assert Tokenizer.load(tmp_path).frame == frame
    config.write_text('{"add_bos_token": "yes", "bos_token": "<s>"}')
    with pytest.raises(TokenizerError, match="add_bos_token in the"):
        Tokenizer.load(tmp_path)


PEERS_MODELS: dict[str, dict[str, Any]] = {
    "bpe": {"model_type": "bpe"},
    "bpe with bytes": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 380},
    "unigram": {"model_type": "unigram"},
    "unigram with bytes": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 380},
}
USER_DEFINED = {"user_defined_symbols": ["the", "ﬁ", "▁c", "é", "xy"]}


def same_as_sentencepiece(proto: bytes, folder: Path) -> Tokenizer:
    theirs = sentencepiece.SentencePieceProcessor(model_proto=proto)
    (folder / "spm.model").write_bytes(proto)
    ours = Tokenizer.load(folder / "spm.model")
    written = convert(ours, "sentencepiece")
    assert isinstance(written, bytes)
    again = sentencepiece.SentencePieceProcessor(model_proto=written)
    for text in texts(["xy", " c", "</s>"]):
        ids = theirs.encode(text)
        assert ours.encode(text) == ids == again.encode(text), text
    return ours


@pytest.mark.parametrize("name", PEERS_MODELS)
def test_pieces_that_are_not_used(name: str, spm: Train, tmp_path: Path) -> None:
    proto = sentencepiece_model_pb2.ModelProto.FromString(spm(**PEERS_MODELS[name]))
    normal = [piece for piece in proto.pieces if piece.type == 1]
    chance = random.Random(2)
    for piece in chance.sample(normal, len(normal) // 3):
        piece.type = 5
    ours = same_as_sentencepiece(proto.SerializeToString(), tmp_path)
    with pytest.raises(TokenizerError, match="no pieces that are not used"):
        convert(ours, "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("what lay there before")
    ours.save(tmp_path)  # as a model file, then
    assert not (tmp_path / "tokenizer.json").exists()
    assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()
    framed = ours.with_frame(Frame.ends("<s>", None))
    with pytest.raises(TokenizerError, match="no pieces that are not used"):
        framed.save(tmp_path)


@pytest.mark.parametrize("suffix", [False, True], ids=["in front", "behind"])
@pytest.mark.parametrize("collapse", [False, True], ids=["all spaces", "spaces collapsed"])
@pytest.mark.parametrize("name", PEERS_MODELS)
def test_user_defined_pieces_are_not_normalized(
    name: str, collapse: bool, suffix: bool, spm: Train, tmp_path: Path
) -> None:
    options = {"remove_extra_whitespaces": collapse, "treat_whitespace_as_suffix": suffix}
    ours = same_as_sentencepiece(spm(**PEERS_MODELS[name], **USER_DEFINED, **options), tmp_path)
    if suffix:
        with pytest.raises(TokenizerError, match=r"space behind a text|always takes|spaces have been changed"):
            convert(ours, "tokenizer.json")


def split(expression: str) -> Any:
    return pre_tokenizers.Split(tokenizers.Regex(expression), "isolated")


DEEPSEEK = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CUTS: dict[str, tuple[list[Any], bool]] = {
    "starcoder": ([pre_tokenizers.Digits(individual_digits=True)], True),
    "digits together": ([pre_tokenizers.Digits(individual_digits=False)], True),
    "bloom": ([split(r" ?[^(\s|[.,!?…。，、।۔،])]+")], False),
    "deepseek coder": (
        [
            *(split(one) for one in (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")),
            pre_tokenizers.Digits(individual_digits=True),
        ],
        False,
    ),
    "deepseek v3": ([split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK)], False),
    "mistral nemo": ([split(TEKKEN)], False),
    "llama 3 after digits": ([pre_tokenizers.Digits(individual_digits=True), split(PATTERNS["cl100k"])], False),
}


def falcon() -> tokenizers.Tokenizer:
    """Digits are cut after the pattern, in GPT-2's characters: among them are bytes of other characters."""
    theirs = byte_level(special=[">>TITLE<<", "<|endoftext|>"])
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Punctuation("contiguous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            pre_tokenizers.Digits(individual_digits=False),
            split("[0-9][0-9][0-9]"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[">>TITLE<<", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator([*CORPUS, *texts(count=300)], trainer)
    return theirs


def test_falcon(tmp_path: Path) -> None:
    theirs = falcon()
    ours = same(theirs, tmp_path, ["x²3", "1234567", "²²", "乳", "½1", "$+", "?!.", "'s12", " 12", "١٢٣"])
    assert ours.decode(ours.encode("x²3 乳")) == "x²3 乳"
    noise = random.Random(0).randbytes(400)
    assert ours.decode_bytes(ours.encode(noise)) == noise
    characters = [f"a{chr(c)}1" for c in range(0x3000) if not 0x2E43 <= c < 0x2E80]
    signs = {c for c in characters if unicodedata.category(c[1])[0] == "P"}
    differ = [c for c in characters if ours.encode(c) != theirs.encode(c, add_special_tokens=False).ids]
    assert {*differ} <= signs and len(differ) < 20, "signs newer than Unicode 8 alone"


@pytest.mark.parametrize("make", [falcon, standing_alone, package_unigram, package_bpe])
def test_real_text(make: Callable[[], tokenizers.Tokenizer], data_folder: Path, tmp_path: Path) -> None:
    """All languages of the declaration of human rights, and film reviews."""
    theirs = make()
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    rows: list[str] = []
    for name, first in (("udhr/documents.parquet", 700), ("imdb/test.parquet", 400)):
        rows += [text[:first] for text in pyarrow.parquet.read_table(data_folder / name)["text"][:400].to_pylist()]
    theirs.encode_special_tokens = True
    for text, encoding in zip(rows, theirs.encode_batch(rows, add_special_tokens=False)):
        assert ours.encode(text) == encoding.ids, text


@pytest.mark.parametrize("name", CUTS)
def test_what_is_cut_before_the_pattern(name: str, tmp_path: Path) -> None:
    steps, gpt2 = CUTS[name]
    theirs = byte_level()
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=gpt2)
    theirs.pre_tokenizer = pre_tokenizers.Sequence([*steps, last])
    theirs.train_from_iterator(
        [*CORPUS, *texts(count=300)],
        trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    ours = same(theirs, tmp_path, ["x²", "１２", "|[", "(", "가나", "カナ", "$+", "//", "Fo", "oB"])
    assert isinstance(ours, BytePairTokenizer)
    assert len(ours.cuts) == len(steps) - (name == "llama 3 after digits")
    rows = texts()
    assert ours.encode_batch(rows) == list(map(ours.encode, rows))
    assert all(ours.decode(ours.encode(text)) == text for text in rows)
    assert ours.sample(rows[1], alpha=0.0) == ours.encode(rows[1])
    noise = random.Random(0).randbytes(400)
    assert ours.decode_bytes(ours.encode(noise)) == noise
    for to in ("gpt2", "tiktoken"):
        with pytest.raises(TokenizerError, match="before it"):
            convert(ours, to)  # type: ignore[arg-type]


def test_cuts_that_are_not_known_are_refused(tmp_path: Path) -> None:
    theirs = byte_level()
    falcon = [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    theirs.pre_tokenizer = pre_tokenizers.Sequence([*falcon, pre_tokenizers.Digits(individual_digits=False)])
    theirs.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match="cuts text in a way that is not ours"):
        Tokenizer.load(tmp_path)
    with pytest.raises(TokenizerError, match="no expression 'tens' to cut by"):
        Cutter(["tens"])
