"""Rows with labels: read as `tokenizers` would, the label at one position, everything else at weight 0."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Peer
from tokenizers import models, pre_tokenizers, processors

from idiolect.data.framing import Framing, shortened, together
from idiolect.data.labelled import LabelledRows, LabelledText, TaggedWords, label_names, label_rows, tag_rows
from idiolect.errors import CorpusError, TokenizerError, UsageError
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.tokenizers.base import Tokenizer

PLAIN = Tokenizer.train(["abc"], kind="bytes")
BERT = as_encoders(PLAIN)
CLS, SEP, FILLER = BERT.role("cls"), BERT.role("sep"), BERT.role("pad")
ENCODER = Framing(BERT, encoder=True, context=12)


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 9), second=st.integers(0, 9), context=st.integers(4, 16))
def test_pairs_are_shortened_as_hugging_faces_tools_do(first: int, second: int, context: int) -> None:
    vocab = {word: number for number, word in enumerate([*"abcdefghijklmnopqrst", "[CLS]", "[SEP]", "[UNK]"])}
    peer = Peer(models.WordLevel(vocab, unk_token="[UNK]"))
    peer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    peer.post_processor = processors.TemplateProcessing(
        pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 20), ("[SEP]", 21)]
    )
    peer.enable_truncation(context, strategy="longest_first")
    texts = "abcdefghij"[:first], "klmnopqrst"[:second]
    expected = peer.encode(*(" ".join(text) for text in texts)).ids
    kept = [[vocab[word] for word in text] for text in shortened(*texts, context - 3)]
    assert [20, *kept[0], 21, *kept[1], 21] == expected


def test_a_row_is_a_text_in_its_frame_with_one_label() -> None:
    examples = [LabelledText("ab", "yes"), LabelledText("a", "no", second="bc"), LabelledText("x" * 40, "yes")]
    for last in (False, True):
        rows = LabelledRows(label_rows(examples, ENCODER, ("no", "yes"), last=last), FILLER, seed=0)
        [batch] = rows.in_order(3)
        a, b, c, x = b"abcx"
        assert batch.ids_BT[0, :4].tolist() == [CLS, a, b, SEP] and (batch.ids_BT[0, 4:] == FILLER).all()
        assert batch.ids_BT[1, :6].tolist() == [CLS, a, SEP, b, c, SEP]
        assert batch.ids_BT[2].tolist() == [CLS, *[x] * 10, SEP]
        assert batch.types_BT is not None and batch.types_BT[1, :6].tolist() == [0, 0, 0, 1, 1, 1]
        places = [3, 5, 11] if last else [0, 0, 0]
        assert batch.weights_BT.nonzero().tolist() == [[row, place] for row, place in enumerate(places)]
        assert [int(batch.targets_BT[row, place]) for row, place in enumerate(places)] == [1, 0, 1]
        assert batch.segments_BT is not None
        assert (batch.segments_BT == (torch.arange(12) >= torch.tensor([4, 6, 12])[:, None])).all()
        assert batch.weight == 3


def test_a_model_without_a_frame_reads_each_text_behind_the_token_that_opens_one() -> None:
    framing = Framing(PLAIN, encoder=False, context=8)
    end = PLAIN.end_of_text
    examples = [LabelledText("ab", "x"), LabelledText("abc", "x", second="de"), LabelledText("", "x")]
    rows = LabelledRows(label_rows(examples, framing, ("x",), last=True), framing.filler, seed=0)
    [batch] = rows.in_order(3)
    a, b, c, d, e = b"abcde"
    assert batch.ids_BT.tolist() == [[end, a, b, end, end, end, end], [end, a, b, c, end, d, e], [end] * 7]
    assert batch.weights_BT.nonzero().tolist() == [[0, 2], [1, 6], [2, 0]]


def test_the_order_is_a_function_of_the_step_and_each_epoch_has_every_row_once() -> None:
    examples = [LabelledText(str(n), "x") for n in range(10)]
    made = [LabelledRows(label_rows(examples, ENCODER, ("x",), last=False), FILLER, seed=seed) for seed in (0, 0, 1)]
    seen = [[int(ids[1]) for ids in rows.batch(0, 30).ids_BT] for rows in made]
    assert seen[0] == seen[1] != seen[2]
    epochs = [seen[0][start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch) == sorted(b"0123456789") for epoch in epochs) and epochs[0] != epochs[1]
    assert [int(ids[1]) for ids in made[0].batch(7, 5).ids_BT] == seen[0][7:12]


def test_a_tag_stands_on_the_first_piece_of_its_word_or_on_all() -> None:
    examples = [TaggedWords(("ab", "c"), ("noun", "verb")), TaggedWords(("abcd", "efghi", "j"), ("noun",) * 3)]
    for every_piece in (False, True):
        rows = LabelledRows(tag_rows(examples, ENCODER, ("noun", "verb"), every_piece=every_piece), FILLER, seed=0)
        [batch] = rows.in_order(2)
        a, b, c = b"abc"
        assert batch.ids_BT[0, :6].tolist() == [CLS, a, b, ord(" "), c, SEP]
        told = [[int(place) for place in row.nonzero()] for row in batch.weights_BT]
        # Of the second text ten bytes have room: "abcd efghi", and not the word behind.
        assert told == ([[1, 2, 3, 4], [*range(1, 11)]] if every_piece else [[1, 3], [1, 5]])
        assert batch.targets_BT[0, 1] == 0 and batch.targets_BT[0, 3] == 1


def test_words_are_cut_as_in_the_whole_text() -> None:
    """Whatever the tokenizer puts at a word's beginning."""
    text = "the cat sat on the mat and the cat purred"
    for kind in ("words", "bpe", "unigram", "characters", "bytes"):
        tokenizer = Tokenizer.train([text] * 20, kind=kind, vocab_size=280 if kind == "unigram" else 270)
        framing = Framing(tokenizer, encoder=False)
        words = text.split()
        [row] = tag_rows([TaggedWords(words, ["x"] * len(words))], framing, ("x",))
        assert row.ids_N.tolist() == [tokenizer.end_of_text, *tokenizer.encode(text)], kind
        assert len(row.places) == len(words), kind


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ([LabelledText("a", "maybe")], "label 'maybe', which is none of 'no', 'yes'"),
        ([], "no example"),
        ([TaggedWords(("a", "b"), ("no",))], "2 words and 1 tags"),
        ([TaggedWords(("a", " "), ("no", "no"))], "gives no token"),
        ([TaggedWords(("a",), ("maybe",))], "label 'maybe'"),
    ],
)
def test_examples_that_cannot_be_learnt_are_refused(examples: list[LabelledText], says: str) -> None:
    tagged = bool(examples) and isinstance(examples[0], TaggedWords)
    rows_of = tag_rows if tagged else partial(label_rows, last=False)
    with pytest.raises(CorpusError, match=says):
        LabelledRows(rows_of(examples, ENCODER, ("no", "yes")), FILLER, seed=0)


def test_a_context_without_room_for_text_is_refused() -> None:
    with pytest.raises(UsageError, match="no room for text"):
        label_rows([LabelledText("a", "x", second="b")], Framing(BERT, encoder=True, context=3), ("x",), last=False)


def test_a_frame_with_more_kinds_of_segment_than_the_model_is_refused() -> None:
    ENCODER.check_types(2)
    with pytest.raises(TokenizerError, match="segments 0 to 1"):
        ENCODER.check_types(1)


def test_names_of_labels_and_rows_to_be_read_together() -> None:
    assert label_names([LabelledText("", "b"), LabelledText("", "a"), LabelledText("", "b")]) == ("a", "b")
    assert label_names([TaggedWords(("a", "b"), ("y", "x"))]) == ("x", "y")
    lengths = [3, 9, 2, 4, 4]
    groups = list(together(lengths, most=8))
    assert sorted(n for group in groups for n in group) == list(range(5))
    assert all(len(group) == 1 or len(group) * max(lengths[n] for n in group) <= 8 for group in groups)
