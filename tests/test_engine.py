"""Batches come back in order from either engine, a few at a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from idiolect.data.tokens import write_splits
from idiolect.engine import WAITING, Engine, in_order
from idiolect.errors import UsageError
from idiolect.text.corpus import Corpus
from idiolect.text.splitting import SPLITS
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe_learning import BpeOptions, learn_bpe


def delayed(most: int, number: int) -> int:
    """The earlier, the longer it takes."""
    time.sleep((most - number) / 1000)
    return number * number


def test_results_come_in_order_whatever_finishes_first() -> None:
    assert list(in_order("threads", delayed, 20, range(20), workers=3)) == [n * n for n in range(20)]


def test_only_a_few_batches_are_on_their_way() -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order("threads", delayed, 100, batches(), workers=2)
    assert next(results) == 0 and len(taken) <= 2 * WAITING + 1
    results.close()  # type: ignore[attr-defined]


def test_a_fault_in_a_batch_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order("threads", lambda shared, n: shared // n, 1, [1, 0], workers=2))


def test_ray_is_asked_for_in_words_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'idiolect\[ray\]'"):
        list(in_order("ray", delayed, 1, [1], workers=1))
    assert get_args(Engine) == ("threads", "ray")


TEXTS = [f"line {n} of the cats' 3.14 naïve 你好 text\n" * (1 + n % 3) for n in range(3000)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local Ray of two processors."""
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ties", ["first", "huggingface", "sentencepiece"])
def test_ray_counts_what_threads_count(cluster: None, ties: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idiolect.tokenizers.counting.CHARACTERS", 20_000)
    here = learn_bpe(TEXTS, BpeOptions(vocab_size=400, ties=ties))
    there = learn_bpe(TEXTS, BpeOptions(vocab_size=400, ties=ties, engine="ray"))
    assert there.tokenizer.merges == here.tokenizer.merges and there.merge_counts == here.merge_counts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_writes_the_shards_that_threads_write(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idiolect.data.tokens.BATCH", 20_000)
    tokenizer = Tokenizer.train(TEXTS, vocab_size=400)
    corpus = Corpus.from_texts(TEXTS)
    for engine in get_args(Engine):
        (tmp_path / engine).mkdir()
        write_splits(corpus.assigned(), tokenizer, tmp_path / engine, SPLITS, engine)
    for shard in sorted((tmp_path / "threads").iterdir()):
        assert (tmp_path / "ray" / shard.name).read_bytes() == shard.read_bytes()
