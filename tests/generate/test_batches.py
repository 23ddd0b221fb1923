"""Several prompts together against each of them alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from idiolect.errors import ModelError, UsageError
from idiolect.generate.engine import generate, generate_batch
from idiolect.generate.sampling import Sampling
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.models.transformer import Transformer
from idiolect.nn.cache import KVCache

GREEDY = Sampling(temperature=0)
FREE = Sampling(temperature=1.0)
SHAPES: dict[str, dict[str, object]] = {
    "rotary": {},
    "learned": {"positions": "learned"},
    "sinusoidal": {"positions": "sinusoidal"},
    "alibi": {"positions": "alibi"},
    "no positions": {"positions": "none"},
    "window": {"window": 3},
    "window, some global": {"window": 3, "global_every": 2},
}
PROMPTS = [[1], [5, 9, 2, 7], [3, 3], [8, 8], [4] * 7, list(range(12)), [5, 9, 2, 7], [11, 6, 1, 0, 2]]


def together(model: Model, prompts: Sequence[Sequence[int]], **options: object) -> list[list[int]]:
    ids: list[list[int]] = [[] for _ in prompts]
    settings = {"sampling": FREE, "max_tokens": 14, "seed": 0, **options}
    for step in generate_batch(model, prompts, **settings):  # type: ignore[arg-type]
        assert [number for number, _ in step] == sorted({number for number, _ in step})
        for number, token in step:
            ids[number].append(token)
    return ids


def alone(model: Model, prompts: Sequence[Sequence[int]], **options: object) -> list[list[int]]:
    settings = {"sampling": FREE, "max_tokens": 14, "seed": 0, **options}
    return [[step[0][1] for step in generate(model, ids, **settings)] for ids in prompts]  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("sampling", [GREEDY, FREE, Sampling(temperature=0.9, repetition_penalty=1.4)])
def test_a_batch_is_its_prompts_one_by_one(
    make_decoder: Callable[..., Transformer], shape: dict[str, object], sampling: Sampling
) -> None:
    for context in (1, 8, 64):  # the window moves, for each prompt at another step
        model = make_decoder(context=context, **shape)
        expected = alone(model, PROMPTS, sampling=sampling, seed=context)
        for batch_rows in (1, 3, 32):
            assert together(model, PROMPTS, sampling=sampling, seed=context, batch_rows=batch_rows) == expected


def test_a_batch_of_many_prompts_that_end_at_many_times(make_decoder: Callable[..., Transformer]) -> None:
    model, chance = make_decoder(context=16), random.Random(3)
    prompts = [[chance.randrange(29) for _ in range(chance.randint(1, 30))] for _ in range(40)]
    expected = alone(model, prompts, max_tokens=40, stop_ids=[3, 20])
    assert len({len(ids) for ids in expected}) > 10
    assert together(model, prompts, max_tokens=40, stop_ids=[3, 20], batch_rows=5) == expected


def test_a_row_that_nobody_wants_more_of_makes_room(make_decoder: Callable[..., Transformer]) -> None:
    model, ended = make_decoder(), set[int]()
    expected = alone(model, PROMPTS)
    ids: list[list[int]] = [[] for _ in PROMPTS]
    for step in generate_batch(model, PROMPTS, sampling=FREE, max_tokens=14, seed=0, batch_rows=2, ended=ended):
        assert len(step) <= 2
        for number, token in step:
            ids[number].append(token)
            if len(ids[number]) > number:
                ended.add(number)
    assert ids == [own[: number + 1] for number, own in enumerate(expected)]


class Recorded(Transformer):
    """A decoder that remembers the shape of everything it reads."""

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__(spec)
        self.read: list[tuple[int, ...]] = []

    def hidden(self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        self.read.append(tuple(ids_BT.shape))
        return super().hidden(ids_BT, segments_BT, cache)


def test_prompts_of_equal_length_are_read_at_once_and_equal_ones_once(make_decoder: Callable[..., Transformer]) -> None:
    model = Recorded(make_decoder().spec)
    model.load_state_dict(make_decoder().state_dict())
    together(model, [[1, 2], [3, 4], [5], [1, 2]], max_tokens=3)
    assert model.read == [(2, 2), (1, 1), (4, 1), (4, 1)]


def test_a_row_beside_others_has_the_logits_it_has_alone(make_decoder: Callable[..., Transformer]) -> None:
    """Caches of rows that hold unequally much, put beside each other, in another order, and fewer of them."""
    for name, shape in SHAPES.items():
        model = make_decoder(context=12, **shape)
        texts = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]]
        with torch.no_grad():
            caches = []
            for text in texts:
                caches.append(model.new_cache(1, 12))
                model.hidden(torch.tensor([text]), cache=caches[-1])
            joined = caches[0].beside(caches[1:]).select([2, 1, 2]).select([1, 0])
            assert joined.length == 3 and joined.starts == [1, 0], "what no row uses is left behind"
            new = torch.tensor([[11, 12], [13, 14]])
            beside = model.head(model.hidden(new, cache=joined))
            for row, text in enumerate([[6, 7, 11, 12], [8, 9, 10, 13, 14]]):
                torch.testing.assert_close(beside[row], model(torch.tensor([text]))[0, -2:], msg=name)


@pytest.mark.parametrize(
    ("prompts", "options", "error", "message"),
    [
        ([], {}, UsageError, "no prompts"),
        ([[1], []], {}, UsageError, "no prompt"),
        ([[1], [29]], {}, ModelError, "vocabulary of 29"),
        ([[1]], {"batch_rows": 0}, UsageError, "batch_rows"),
        ([[1]], {"max_tokens": 0}, UsageError, "max_tokens"),
        ([[1]], {"seed": -1}, UsageError, "seed"),
    ],
)
def test_bad_requests_are_refused_before_the_first_step(
    make_decoder: Callable[..., Transformer],
    prompts: list[list[int]],
    options: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    settings = {"sampling": FREE, "max_tokens": 5, "seed": 0, **options}
    with pytest.raises(error, match=message):
        generate_batch(make_decoder(), prompts, **settings)  # type: ignore[arg-type]


def test_an_encoder_refuses_in_words(make_decoder: Callable[..., Transformer]) -> None:
    encoder = make_decoder(family="encoder", masked_head=True)
    with pytest.raises(UsageError, match="both sides"):
        together(encoder, [[1], [2]])
