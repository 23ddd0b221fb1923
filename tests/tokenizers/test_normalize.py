"""Normalisation equals `unicodedata`, SentencePiece's own normalizer, and its plain-Python reference.

Damaged rule tables are refused.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import islice, product
from pathlib import Path

import pyarrow.parquet
import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from idiolect.errors import TokenizerError
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.reference_normalize import normalize as reference

RULES = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity")
FLAGS = list(product([False, True], repeat=3))

TRICKY = [
    *(
        "  ",
        " ",
        "\t",
        "\n",
        "a",
        "A",
        "e",
        "E",
        "fi",
        "▁",
        "\x00",
        "\x01",
        "\x7f",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\u2028",
    ),
    *("\u0301", "\u0308", "\u0323", "\u0304", "e\u0301", "é", "ﬁ", "Ａ", "ß", "ẞ", "ſ", "ﷺ", "½", "…", "Å", "\u00ad"),
    *("か", "\u3099", "ｶ", "\uff9e", "㍿", "가", "\u1100", "\u1161", "\u11a8", "क", "\u093c", "😀", "\U0010ffff"),
]
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(st.sampled_from(TRICKY)).map("".join)


@cache
def theirs(rules: str, prefix: bool, mark: bool, collapse: bool) -> sentencepiece.SentencePieceNormalizer:
    return sentencepiece.SentencePieceNormalizer(
        rule_name=rules, add_dummy_prefix=prefix, escape_whitespaces=mark, remove_extra_whitespaces=collapse
    )


def specification(proto: bytes) -> Normalizer:
    spec = sentencepiece_model_pb2.NormalizerSpec.FromString(proto)
    return Normalizer(
        charsmap=spec.precompiled_charsmap,
        collapse_spaces=spec.remove_extra_whitespaces,
        prefix_space=spec.add_dummy_prefix,
        mark=spec.escape_whitespaces,
    )


@cache
def ours(rules: str, prefix: bool, mark: bool, collapse: bool) -> Normalizer:
    return specification(theirs(rules, prefix, mark, collapse).serialized_normalizer_spec())


def by_reference(normalizer: Normalizer, text: str) -> str:
    return reference(
        text,
        normalizer.charsmap,
        collapse_spaces=normalizer.collapse_spaces,
        prefix_space=normalizer.prefix_space,
        prefix_once=normalizer.prefix_once,
        mark=normalizer.mark,
        space_behind=normalizer.space_behind,
        kept=normalizer.kept,
    )


def of_model(model: bytes) -> Normalizer:
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    return specification(proto.normalizer_spec.SerializeToString())


@pytest.mark.parametrize("form", ["none", "nfc", "nfkc", "nfd", "nfkd"])
@given(texts)
def test_normal_forms_and_lower_case_are_pythons(form: str, text: str) -> None:
    expected = text if form == "none" else unicodedata.normalize(form.upper(), text)
    assert Normalizer(form=form)(text) == expected  # type: ignore[arg-type]
    assert Normalizer(form=form, lowercase=True)(text) == "".join(map(str.lower, expected))  # type: ignore[arg-type]


def test_the_spaces_of_sentencepiece() -> None:
    assert Normalizer()("  the  cat ") == "  the  cat "
    assert Normalizer(collapse_spaces=True)("  the  cat ") == "the cat"
    assert Normalizer(prefix_space=True, mark=True)("the  cat") == "▁the▁▁cat"
    assert Normalizer(collapse_spaces=True, prefix_space=True, mark=True)(" the  cat ") == "▁the▁cat"
    assert Normalizer(prefix_space=True)("") == ""
    assert Normalizer(collapse_spaces=True, prefix_space=True)("   ") == ""


@pytest.mark.parametrize("rules", RULES)
@settings(max_examples=200, deadline=None)  # the first example reads the table
@given(texts)
@example("e\u0301  \u3000 ﬁ\u00ad ▁")
@example("\x01")
def test_any_text_is_normalised_as_sentencepiece_does_it(rules: str, text: str) -> None:
    for flags in FLAGS:
        normalizer = ours(rules, *flags)
        assert normalizer(text) == theirs(rules, *flags).Normalize(text) == by_reference(normalizer, text)


@pytest.mark.parametrize("rules", RULES)
def test_every_character_is_normalised_as_sentencepiece_does_it(rules: str) -> None:
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    for flags in ((False, False, False), (True, True, True)):
        for text in ("".join(f"{c}|" for c in points[:0x30000]), "".join(points[:0x3400]), "".join(points[::5])):
            normalizer = ours(rules, *flags)
            assert normalizer(text) == theirs(rules, *flags).Normalize(text) == by_reference(normalizer, text)


@pytest.mark.parametrize("rules", RULES)
def test_real_text_is_normalised_as_sentencepiece_does_it(data_folder: Path, rules: str) -> None:
    udhr = pyarrow.parquet.read_table(data_folder / "udhr" / "documents.parquet")["text"].to_pylist()
    imdb = pyarrow.parquet.read_table(data_folder / "imdb" / "test.parquet")["text"].to_pylist()[:300]
    with (data_folder / "peps" / "documents.jsonl").open(encoding="utf-8") as lines:
        peps = [json.loads(line)["text"] for line in islice(lines, 30)]
    books = [
        (data_folder / book).read_text("utf-8")[:300_000] for book in ("chinese/poems.txt", "japanese/wagahai.txt")
    ]
    normalize, other = ours(rules, True, True, True), theirs(rules, True, True, True)
    for text in [*udhr, *imdb, *peps, *books]:
        assert normalize(text) == other.Normalize(text) == by_reference(normalize, text)
    for text in udhr:  # once more with every accent apart
        text = unicodedata.normalize("NFD", text)
        assert normalize(text) == other.Normalize(text)


def test_the_models_that_people_use_normalise_alike(data_folder: Path) -> None:
    novel = (data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:100_000]
    for name in ("llama2.tokenizer.model", "japanese_unigram.model"):
        model = (data_folder / "vocabularies" / name).read_bytes()
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        for text in [novel, "  Ｆｕｌｌ  width ﬁ \t ｶﾞ\u3099 e\u0301  ", *TRICKY]:
            assert of_model(model)(text) == processor.normalize(text)


@pytest.mark.parametrize("rules", ["nmt_nfkc", "nfkc_cf", "identity"])
def test_a_model_trained_now_normalises_alike(tmp_path: Path, rules: str) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the car the cat the rat", "ﬁne Ｆｉｓｈ", "e\u0301te\u0301"] * 20),
        model_prefix=str(tmp_path / "tiny"),
        vocab_size=30,
        hard_vocab_limit=False,
        normalization_rule_name=rules,
        minloglevel=2,
    )
    model = (tmp_path / "tiny.model").read_bytes()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    for text in ["  Ｆｕｌｌ  width ﬁ \t e\u0301  ", *TRICKY]:
        assert of_model(model)(text) == processor.normalize(text)


def compiled(rules: dict[str, str]) -> bytes:
    """A rule table as SentencePiece compiles it."""
    normalizer = sentencepiece.SentencePieceNormalizer(norm_map=list(rules.items()))
    spec = sentencepiece_model_pb2.NormalizerSpec.FromString(normalizer.serialized_normalizer_spec())
    charsmap: bytes = spec.precompiled_charsmap
    return charsmap


pieces = st.text("ab ée\u0301中😀", min_size=1, max_size=4)


@given(st.dictionaries(pieces, st.text("abx é"), min_size=1, max_size=8), st.lists(pieces).map("".join))
@example({"ab": "X", "abc": "YY", "c": ""}, "abcabc c ab")
def test_any_table_is_applied_as_sentencepiece_does_it(rules: dict[str, str], text: str) -> None:
    rules = {rule: output for rule, output in rules.items() if rule != output} or {"a": "b"}  # as SentencePiece asks
    charsmap = compiled(rules)
    for prefix, mark, collapse in FLAGS:
        normalizer = sentencepiece.SentencePieceNormalizer(
            norm_map=list(rules.items()),
            add_dummy_prefix=prefix,
            escape_whitespaces=mark,
            remove_extra_whitespaces=collapse,
        )
        normalize = Normalizer(charsmap=charsmap, prefix_space=prefix, mark=mark, collapse_spaces=collapse)
        assert normalize(text) == normalizer.Normalize(text)
        if collapse and any("  " in output for output in rules.values()):
            with pytest.raises(TokenizerError, match="two spaces in a row"):
                by_reference(normalize, text or "a")
        else:
            assert by_reference(normalize, text) == normalize(text)


@given(texts)
def test_the_prefix_comes_once_where_that_is_asked(text: str) -> None:
    for collapse, mark in product([False, True], repeat=2):
        normalizer = Normalizer(collapse_spaces=collapse, prefix_space=True, prefix_once=True, mark=mark)
        plain = Normalizer(collapse_spaces=collapse, mark=mark)(text)
        space = "▁" if mark else " "
        expected = plain if not plain or plain[0] == space else space + plain
        assert normalizer(text) == by_reference(normalizer, text) == expected


@settings(deadline=None)  # the first example reads the table
@given(texts, st.lists(pieces.filter(lambda string: "  " not in string), max_size=4), st.booleans())
@example("\u200b ", [], True)
@example("a\u200bﬁx", ["a", "ﬁ"], False)
def test_strings_that_are_kept_and_a_space_behind_are_as_the_reference_has_them(
    text: str, kept: list[str], behind: bool
) -> None:
    for prefix, mark, collapse in FLAGS:
        normalizer = replace(ours("nmt_nfkc", prefix, mark, collapse), space_behind=behind, kept=tuple(kept))
        assert normalizer(text) == by_reference(normalizer, text)
        if not any(string in text for string in kept) and not (behind and prefix):
            assert normalizer(text) == theirs("nmt_nfkc", prefix, mark, collapse).Normalize(text)


def test_the_steps_before_the_table() -> None:
    assert Normalizer(replacements=(("``", '"'), ("''", '"')))("``a''") == '"a"'
    assert Normalizer("nfd", strip_accents=True)("naïve Ångström") == "naive Angstrom"
    assert Normalizer(lowercase=True)("ΣΑΣ") == "σασ"
    assert Normalizer(join_whitespace=True)("\u3000a\n\tb\rc\x85d \u2003") == "\u3000a b c\x85d"
    assert Normalizer("nfkc", lowercase=True, kept=("ﬁA",))("ﬁAﬁA") == "ﬁAﬁA"
    assert Normalizer("nfkc", lowercase=True, kept=("Aﬁ",))("ﬁAﬁA") == "fiAﬁa"
    with pytest.raises(TokenizerError, match="space behind a text does not go with"):
        Normalizer(space_behind=True, prefix_once=True)


def test_a_damaged_table_is_refused_or_gives_text_and_never_hangs() -> None:
    table = compiled({"ab": "X", "abc": "YY", "é": "e", "中文": "zh", "😀": ""})
    rng = random.Random(0)
    refused: Counter[str] = Counter()
    for _ in range(3000):
        damaged = bytearray(table)
        for _ in range(rng.randint(1, 4)):
            place = rng.choice([rng.randrange(len(damaged)), rng.randrange(4), 4 + rng.randrange(4), len(damaged) - 1])
            damaged[place] = rng.choice([0, 1, 2, 4, 255, rng.randrange(256)])
        if rng.random() < 0.2:
            del damaged[1 + rng.randrange(len(damaged) - 1) :]
        text = "abcabé 中文 😀 the rest \x00 \xff"
        normalizer = None
        try:
            normalizer = Normalizer(charsmap=bytes(damaged))
        except TokenizerError as fault:
            refused[str(fault).split(":")[0]] += 1
        if normalizer:
            assert normalizer(text) == by_reference(normalizer, text)
        else:
            with pytest.raises(TokenizerError, match="damaged"):
                reference(
                    text, bytes(damaged), collapse_spaces=False, prefix_space=False, prefix_once=False, mark=False
                )
    assert set(refused) == {"SentencePiece's rule table is damaged"}
    assert refused.total() > 500


def test_a_table_that_leads_back_into_itself_does_not_hang() -> None:
    units = [0] * 256
    units[0] = 0  # the root's children stand at 0 XOR byte
    units[ord("a")] = ord("a") | (ord("a") << 10)  # `a` leads to a base of 0 again: a, aa, aaa, ...
    table = (1024).to_bytes(4, "little") + b"".join(unit.to_bytes(4, "little") for unit in units) + b"x\0"
    assert Normalizer(charsmap=table)("aaaa") == "aaaa"  # rules without end never match


def test_lone_surrogates_and_unknown_forms_are_refused() -> None:
    with pytest.raises(TokenizerError, match="lone surrogate"):
        Normalizer()("a\ud800")
    with pytest.raises(TokenizerError, match="no normal form 'nfq': choose one of none, nfc"):
        Normalizer(form="nfq")  # type: ignore[arg-type]


def test_what_is_lossless_says_so() -> None:
    assert Normalizer().lossless and Normalizer(prefix_space=True).lossless
    for lossy in (Normalizer(form="nfc"), Normalizer(lowercase=True), Normalizer(collapse_spaces=True)):
        assert not lossy.lossless
    assert not Normalizer(mark=True).lossless  # a mark in the text itself comes back as a space


def test_settings_come_back_from_json() -> None:
    table = compiled({"ab": "X"})
    later = Normalizer(
        replacements=(("a", "b"),),
        strip_accents=True,
        join_whitespace=True,
        prefix_space=True,
        kept=("the", "é"),
        nmt=True,
    )
    for normalizer in (
        Normalizer(),
        Normalizer("nfkc", True, table, False, True, True, True),
        later,
        Normalizer(space_behind=True),
    ):
        written = json.loads(json.dumps(normalizer.to_json()))
        assert Normalizer.from_json(written) == normalizer
        assert hash(Normalizer.from_json(written)) == hash(normalizer)
    assert Normalizer.from_json({}) == Normalizer()
    assert not {"kept", "space_behind"} & Normalizer().to_json().keys()  # so that earlier fingerprints stay
    wrong_ones: list[object] = [[], {"from": "nfc"}, {"lowercase": 1}, {"charsmap": "?"}, {"form": None}]
    wrong_ones += [{"charsmap": "AAAA"}, {"kept": 1}, {"replacements": [["a"]]}, {"replacements": [["", "b"]]}]
    for wrong in wrong_ones:
        with pytest.raises(TokenizerError):
            Normalizer.from_json(wrong)
