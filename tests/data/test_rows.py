"""Rows of batches: every window once an epoch, from any starting point, and segments that keep documents apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from idiolect.data.batch import Batch
from idiolect.data.rows import EvaluationRows, TrainingRows, segments_of
from idiolect.data.tokens import TokenStream
from idiolect.errors import CorpusError

MakeStream = Callable[..., TokenStream]


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches hold the same tokens and weights."""
    pairs = [(one.ids_BT, other.ids_BT), (one.targets_BT, other.targets_BT), (one.weights_BT, other.weights_BT)]
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("length", "context"), [(9, 8), (10, 8), (17, 8), (100, 7), (101, 10), (1000, 31)])
def test_every_window_once_an_epoch(make_stream: MakeStream, length: int, context: int) -> None:
    rows = TrainingRows(make_stream(length), context, seed=3)
    offsets = set()
    for epoch in range(12):
        batch = rows.batch(epoch * rows.per_epoch, rows.per_epoch)
        starts = sorted(batch.ids_BT[:, 0].tolist())
        offsets.add(starts[0])
        assert starts == list(range(starts[0], starts[0] + rows.per_epoch * context, context))
        assert starts[0] >= 0 and starts[-1] + context + 1 <= length
        assert torch.equal(batch.ids_BT, batch.ids_BT[:, :1] + torch.arange(context))
        assert torch.equal(batch.targets_BT, batch.ids_BT + 1)
        assert torch.equal(batch.weights_BT, torch.ones(rows.per_epoch, context))
    assert len(offsets) > 1 or length - rows.per_epoch * context == 1, "epochs cut the text at other places"


def test_epochs_and_seeds_differ(make_stream: MakeStream) -> None:
    stream = make_stream(500)
    rows = TrainingRows(stream, 8, seed=0)
    orders = [rows.batch(epoch * rows.per_epoch, rows.per_epoch).ids_BT[:, 0] // 8 for epoch in range(3)]
    assert not torch.equal(orders[0], orders[1]) and not torch.equal(orders[1], orders[2])
    assert not same(rows.batch(0, 10), TrainingRows(stream, 8, seed=1).batch(0, 10))
    assert same(rows.batch(0, 10), TrainingRows(stream, 8, seed=0).batch(0, 10))


def test_any_start_equals_slicing_and_ranks_share_it(make_stream: MakeStream) -> None:
    rows = TrainingRows(make_stream(200, starts=(0, 50, 51, 90)), 8, seed=1)
    whole = rows.batch(0, 3 * rows.per_epoch)
    for first in range(0, 2 * rows.per_epoch, 5):
        for count in (1, 4, rows.per_epoch):
            assert same(rows.batch(first, count), whole.rows(first, first + count))
    for world in (1, 2, 3, 4):
        share = 12 // world
        shares = [rows.batch(24 + rank * share, share) for rank in range(world)]
        assert torch.equal(torch.cat([part.ids_BT for part in shares]), whole.ids_BT[24:36])


def test_a_text_that_is_too_short(make_stream: MakeStream) -> None:
    assert TrainingRows(make_stream(9), 8, seed=0).per_epoch == 1
    with pytest.raises(CorpusError, match=r"The training text is 8 tokens and a row needs 9: give more text, or a"):
        TrainingRows(make_stream(8), 8, seed=0)


def naive_segments(starts: list[int], first: int, context: int) -> list[int]:
    """The document of each position, by counting the starts at or before it."""
    documents = [sum(start <= place for start in starts) for place in range(first, first + context)]
    return [document - documents[0] for document in documents]


def test_segments_equal_a_naive_count() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        starts = np.sort(random.choice(60, size=random.integers(0, 12), replace=False))
        rows, context = random.integers(0, 60, size=random.integers(1, 5)), int(random.integers(1, 12))
        expected = [naive_segments(starts.tolist(), int(first), context) for first in rows]
        found = segments_of(starts, rows, context)
        if found is None:
            assert not np.any(expected)
        else:
            assert found.tolist() == expected and found.dtype == np.int64


def test_attention_is_kept_inside_documents_unless_asked(make_stream: MakeStream) -> None:
    stream = make_stream(100, starts=(0, 20, 21, 70), shards=3)
    rows = TrainingRows(stream, 8, seed=0)
    batch = rows.batch(0, rows.per_epoch)
    assert batch.segments_BT is not None
    for ids, segments in zip(batch.ids_BT.tolist(), batch.segments_BT.tolist()):
        assert segments == naive_segments([0, 20, 21, 70], ids[0], 8)
    assert TrainingRows(stream, 8, seed=0, across_documents=True).batch(0, 8).segments_BT is None
    assert TrainingRows(make_stream(100), 8, seed=0).batch(0, 8).segments_BT is None, "one document needs none"


@pytest.mark.parametrize("length", [1, 2, 8, 9, 10, 16, 17, 25, 100])
@pytest.mark.parametrize("most", [None, 1, 12, 1000])
def test_evaluation_predicts_each_id_once(make_stream: MakeStream, length: int, most: int | None) -> None:
    rows = EvaluationRows(make_stream(length), 8, 2, most_tokens=most)
    batches = list(rows)
    assert len(batches) == len(rows)
    predicted = [
        (before, target)
        for batch in batches
        for before, target, weight in zip(
            batch.ids_BT.flatten(), batch.targets_BT.flatten(), batch.weights_BT.flatten()
        )
        if weight
    ]
    count = length - 1 if most is None else min(most, length - 1)
    assert predicted == [(place, place + 1) for place in range(count)]
    assert sum(batch.weight for batch in batches) == count
    assert all(batch.ids_BT.shape[0] <= 2 and batch.ids_BT.shape[1] == 8 for batch in batches)
    assert all(set(batch.weights_BT.flatten().tolist()) <= {0.0, 1.0} for batch in batches)


def test_evaluation_keeps_documents_apart(make_stream: MakeStream) -> None:
    stream = make_stream(40, starts=(0, 5, 30))
    segments = [batch.segments_BT for batch in EvaluationRows(stream, 8, 3)]
    assert segments[0] is not None and segments[0][0].tolist() == [0] * 5 + [1] * 3
    assert [batch.segments_BT for batch in EvaluationRows(stream, 8, 3, across_documents=True)] == [None, None]


def test_a_batch_is_cut_and_moved() -> None:
    ids = torch.arange(12).reshape(3, 4)
    batch = Batch(ids, ids + 1, torch.tensor([[0.1] * 4, [1.0] * 4, [0.0] * 4]), ids)
    part = batch.rows(1, 3).to(torch.device("cpu"))
    assert part.segments_BT is not None and torch.equal(part.ids_BT, ids[1:]) and torch.equal(part.segments_BT, ids[1:])
    assert batch.weight == pytest.approx(4.4, abs=1e-7) and part.weight == 4.0
