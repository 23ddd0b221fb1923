"""Rows in reading order: each lane goes on where it stopped, every id is predicted once an epoch, any step at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from idiolect.data.batch import Batch
from idiolect.data.lanes import EvaluationLanes, TrainingLanes
from idiolect.data.tokens import TokenStream
from idiolect.errors import CorpusError

MakeStream = Callable[..., TokenStream]


@pytest.mark.parametrize("length", [9, 10, 23, 100])
@pytest.mark.parametrize("lanes", [1, 3, 5])
def test_each_lane_goes_on_where_it_stopped(make_stream: MakeStream, length: int, lanes: int) -> None:
    rows = TrainingLanes(make_stream(length, shards=2), 8, lanes, seed=3)
    last = None
    for step in range(30):
        batch = rows.batch(step * lanes, lanes)
        assert batch.lanes_B is not None and batch.lanes_B.tolist() == list(range(lanes))
        assert batch.weight == lanes * 8
        if last is not None:
            expected = last.targets_BT[:, -1].clone()
            expected[expected == length - 1] = 0  # behind the last id, the stream begins again
            assert torch.equal(batch.ids_BT[:, 0], expected)
        assert torch.equal(batch.targets_BT, batch.ids_BT + 1)  # in this stream each id is its place
        last = batch


def test_together_they_read_the_stream_once_an_epoch(make_stream: MakeStream) -> None:
    rows = TrainingLanes(make_stream(1 + 4 * 10 * 8), 8, lanes=4, seed=1)
    for epoch in range(3):
        batch = rows.batch(epoch * 40, 40)
        assert Counter(batch.ids_BT.flatten().tolist()) == Counter(range(320))


def test_where_it_begins_depends_on_the_seed(make_stream: MakeStream) -> None:
    stream = make_stream(500)
    firsts = [TrainingLanes(stream, 8, 2, seed).batch(0, 2).ids_BT[:, 0].tolist() for seed in (0, 0, 1, 2)]
    assert firsts[0] == firsts[1] and len({tuple(first) for first in firsts}) == 3
    assert {(b - a) % 499 for a, b in firsts} <= {249, 250}


def test_any_rows_at_once(make_stream: MakeStream) -> None:
    rows = TrainingLanes(make_stream(200, starts=(0, 31, 32, 150)), 8, lanes=6, seed=0)
    whole = rows.batch(0, 120)
    for first in range(0, 100, 7):
        for count in (1, 6, 20):
            part, same = rows.batch(first, count), whole.rows(first, first + count)
            assert torch.equal(part.ids_BT, same.ids_BT) and torch.equal(part.targets_BT, same.targets_BT)
            assert part.lanes_B is not None and same.lanes_B is not None and torch.equal(part.lanes_B, same.lanes_B)
            segments = torch.zeros_like(part.ids_BT) if part.segments_BT is None else part.segments_BT
            assert same.segments_BT is not None and torch.equal(segments, same.segments_BT)


@pytest.mark.parametrize("starts", [(0, 20, 21, 70), (), (5,)])
def test_segments_count_the_documents_that_begin_in_a_row(make_stream: MakeStream, starts: tuple[int, ...]) -> None:
    length = 100
    batch = TrainingLanes(make_stream(length, starts=starts, shards=3), 8, 5, seed=0).batch(0, 100)
    assert batch.segments_BT is not None
    for ids, segments in zip(batch.ids_BT.tolist(), batch.segments_BT.tolist()):
        assert segments == np.cumsum([place in starts or place == 0 for place in ids]).tolist()
    across = TrainingLanes(make_stream(length, starts=starts), 8, 5, seed=0, across_documents=True)
    assert across.batch(0, 100).segments_BT is None


def test_a_text_that_is_too_short(make_stream: MakeStream) -> None:
    with pytest.raises(CorpusError, match=r"The training text is 8 tokens and a row needs 9: give more text, or a"):
        TrainingLanes(make_stream(8), 8, lanes=2, seed=0)


@pytest.mark.parametrize("length", [2, 8, 9, 10, 25, 100])
@pytest.mark.parametrize("most", [None, 1, 12, 1000])
@pytest.mark.parametrize("lanes", [1, 3])
def test_evaluation_predicts_each_id_once_and_goes_on(
    make_stream: MakeStream, length: int, most: int | None, lanes: int
) -> None:
    rows = EvaluationLanes(make_stream(length), 8, lanes, most_tokens=most)
    batches = list(rows)
    assert len(batches) == len(rows)
    count = length - 1 if most is None else min(most, length - 1)
    read: dict[int, list[int]] = {lane: [] for lane in range(lanes)}
    for batch in batches:
        counted = batch.weights_BT.bool()
        assert torch.equal(batch.targets_BT[counted], batch.ids_BT[counted] + 1)
        for lane in range(lanes):
            read[lane] += batch.ids_BT[lane][counted[lane]].tolist()
    assert [place for lane in range(lanes) for place in read[lane]] == list(range(count))


def test_lanes_are_cut_and_moved_with_their_rows() -> None:
    ids = torch.arange(12).reshape(3, 4)
    batch = Batch(ids, ids + 1, torch.ones(3, 4), lanes_B=torch.tensor([4, 5, 6]))
    part = batch.rows(1, 3).to(torch.device("cpu"))
    assert part.lanes_B is not None and part.lanes_B.tolist() == [5, 6]
