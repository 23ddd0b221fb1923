"""The rows an encoder learns from: framed windows, documents apart, pairs of which half are true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from idiolect.data.encoder_rows import EncoderRows
from idiolect.data.masking import Masking
from idiolect.data.tokens import TokenStream
from idiolect.errors import CorpusError, UsageError
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.tokenizers.base import Tokenizer

MakeStream = Callable[..., TokenStream]
TOKENIZER = as_encoders(Tokenizer.train(["a"], kind="bytes"))
CLS, SEP, PAD = (TOKENIZER.role(role) for role in ("cls", "sep", "pad"))
MASKING = Masking.of(TOKENIZER)


def rows(stream: TokenStream, context: int = 20, **options: object) -> EncoderRows:
    return EncoderRows(stream, TOKENIZER, context, MASKING, 5, **options)


def test_a_row_is_a_window_in_its_frame(make_stream: MakeStream) -> None:
    made = rows(make_stream(200))
    batch = made.batch(0, made.per_epoch)
    assert batch.ids_BT.shape == (made.per_epoch, 20) and batch.types_BT is None and batch.labels_B is None
    assert (batch.targets_BT[:, 0] == CLS).all() and (batch.targets_BT[:, -1] == SEP).all()
    starts = sorted(batch.targets_BT[:, 1].tolist())
    assert starts == list(range(starts[0], starts[0] + 18 * made.per_epoch, 18)), "every window once an epoch"
    assert torch.equal(batch.targets_BT[:, 1:-1], batch.targets_BT[:, 1:2] + torch.arange(18))
    assert (batch.weights_BT.sum(dim=1) == 3).all(), "15% of 18"
    assert batch.weight == 3 * made.per_epoch


def test_any_start_equals_slicing(make_stream: MakeStream) -> None:
    for pairs in (False, True):
        made = rows(make_stream(230, starts=(0, 50, 51, 90, 160)), pairs=pairs)
        whole = made.batch(0, 2 * made.per_epoch)
        for first in range(0, made.per_epoch, 3):
            part, other = made.batch(first, 4), whole.rows(first, first + 4)
            width = part.ids_BT.shape[1]
            assert torch.equal(part.ids_BT, other.ids_BT[:, :width])
            assert torch.equal(part.weights_BT, other.weights_BT[:, :width])
            assert pairs is False or torch.equal(part.labels_B, other.labels_B)


def test_documents_in_a_row_are_apart_unless_they_may_meet(make_stream: MakeStream) -> None:
    stream = make_stream(60, starts=(0, 30, 33))
    batch = rows(stream, context=56).batch(0, 1)
    segments = batch.segments_BT[0].tolist()
    targets = batch.targets_BT[0].tolist()
    assert len(set(segments)) == 3 and segments == sorted(segments)
    assert segments[targets.index(29)] < segments[targets.index(30)] == segments[targets.index(32)]
    assert segments[targets.index(32)] < segments[targets.index(33)] == segments[-1]
    assert rows(stream, context=56, across_documents=True).batch(0, 1).segments_BT is None


def test_half_of_the_pairs_follow_each_other(make_stream: MakeStream) -> None:
    starts = tuple(range(0, 250, 25))
    stream = make_stream(250, starts=starts)
    made = rows(stream, context=23, pairs=True)
    labels = []
    for first in range(0, 400, 50):
        batch = made.batch(first, 50)
        for n in range(50):
            ids, types = batch.targets_BT[n].tolist(), batch.types_BT[n].tolist()
            real = len(ids) - ids[::-1].index(SEP)
            middle = ids.index(SEP)
            a, b = ids[1:middle], ids[middle + 1 : real - 1]
            assert ids[0] == CLS and a and b and ids[real:] == [PAD] * (len(ids) - real)
            assert types[: middle + 1] == [0] * (middle + 1) and types[middle + 1 : real] == [1] * (real - middle - 1)
            assert a == list(range(a[0], a[-1] + 1)) and b == list(range(b[0], b[-1] + 1))
            documents = [np.searchsorted(starts, place, side="right") for place in (a[0], a[-1], b[0], b[-1])]
            follows = batch.labels_B[n].item() == 0
            assert (b[0] == a[-1] + 1) == follows
            assert documents[0] == documents[1] and documents[2] == documents[3]
            assert (documents[1] == documents[2]) == follows
            assert not batch.weights_BT[n, real:].any() and batch.weights_BT[n].sum() >= 1
            labels.append(batch.labels_B[n].item())
        assert (batch.label_weights_B == 0.15 * 23).all()
    assert sum(labels) / len(labels) == pytest.approx(0.5, abs=0.08)


def test_what_cannot_be_rows_is_refused(make_stream: MakeStream) -> None:
    with pytest.raises(CorpusError, match="a row needs 62"):
        rows(make_stream(30), context=64)
    with pytest.raises(CorpusError, match="several documents"):
        rows(make_stream(100), pairs=True)
    with pytest.raises(UsageError, match="leaves no room"):
        rows(make_stream(100), context=9)
