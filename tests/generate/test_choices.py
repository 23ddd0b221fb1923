"""Endings scored together against each of them read whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from idiolect.errors import ModelError, UsageError
from idiolect.generate import choices
from idiolect.generate.choices import ending_log_probs
from idiolect.generate.texts import common_length
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.models.transformer import Transformer
from idiolect.nn.cache import KVCache

Decoders = Callable[..., Transformer]


def alone(model: Model, prompt: Sequence[int], ending: Sequence[int]) -> Tensor:
    """ln p of each id of an ending, by one pass over the whole."""
    ids = [*prompt, *ending]
    with torch.no_grad():
        log_probs_TV = model(torch.tensor([ids[:-1]]))[0].double().log_softmax(-1)
    return log_probs_TV[range(len(prompt) - 1, len(ids) - 1), list(ending)]


@pytest.mark.parametrize("at_once", [1, 29 * 5 * 3, 2**22])
def test_endings_together_are_each_alone(make_decoder: Decoders, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "_LOGITS_AT_ONCE", at_once)
    chance = random.Random(1)
    for positions in ("rotary", "learned", "alibi"):
        model = make_decoder(context=16, positions=positions)
        prompt = [chance.randrange(29) for _ in range(9)]
        endings = [[chance.randrange(29) for _ in range(chance.randint(1, 7))] for _ in range(11)]
        for ending, values in zip(endings, ending_log_probs(model, prompt, endings)):
            assert values.dtype == torch.float64
            torch.testing.assert_close(values, alone(model, prompt, ending), atol=1e-5, rtol=0)


def test_of_a_long_prompt_the_end_is_read_for_all_alike(make_decoder: Decoders) -> None:
    model, prompt = make_decoder(context=8), list(range(20))
    found = ending_log_probs(model, prompt, [[1, 2, 3], [4]])
    torch.testing.assert_close(found[0], alone(model, prompt[-6:], [1, 2, 3]), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1], alone(model, prompt[-6:], [4]), atol=1e-5, rtol=0)
    [whole] = ending_log_probs(model, prompt, [list(range(8))])
    torch.testing.assert_close(whole, alone(model, prompt[-1:], list(range(8))), atol=1e-5, rtol=0)


class Recorded(Transformer):
    """A decoder that remembers the shape of everything it reads."""

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__(spec)
        self.read: list[tuple[int, ...]] = []

    def hidden(self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        self.read.append(tuple(ids_BT.shape))
        return super().hidden(ids_BT, segments_BT, cache)


def test_the_prompt_is_read_once_and_single_ids_need_no_more() -> None:
    model = Recorded(TransformerSpec(29, 16))
    model.init_weights(0)
    ending_log_probs(model, [1, 2, 3], [[4, 5], [6, 7, 8], [9]])
    assert model.read == [(1, 3), (3, 2)]
    model.read.clear()
    ending_log_probs(model, [1, 2, 3], [[4], [5]])
    assert model.read == [(1, 3)]


def test_bad_requests_are_refused(make_decoder: Decoders) -> None:
    model = make_decoder()
    with pytest.raises(UsageError, match="longer than the model's context of 8"):
        ending_log_probs(model, [1], [[1] * 9])
    with pytest.raises(UsageError, match="no prompt"):
        ending_log_probs(model, [], [[1]])
    with pytest.raises(ModelError, match="vocabulary of 29"):
        ending_log_probs(model, [1], [[1], [29]])
    with pytest.raises(UsageError, match="both sides"):
        ending_log_probs(make_decoder(family="encoder", masked_head=True), [1], [[1]])


def test_how_many_ids_rows_have_in_common() -> None:
    assert common_length([[1, 2, 3], [1, 2, 4], [1, 2]]) == 2
    assert common_length([[1, 2], [1, 2]]) == 2
    assert common_length([[], [1]]) == 0
    assert common_length([[3, 1], [2, 1]]) == 0
