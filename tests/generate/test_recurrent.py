"""A recurrent network goes on for as long as one likes, its state the only memory."""

from __future__ import annotations

import pytest
import torch

from idiolect.generate.engine import generate
from idiolect.generate.sampling import Sampling
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import RecurrentSpec


def network(family: str) -> Model:
    model = build(RecurrentSpec(29, 8, layers=2, dim=16, family=family, dropout=0.3, tied=False))
    random = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.5, generator=random)
    return model.eval()


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("length", [1, 8, 20])
def test_cached_equals_reading_everything_again_far_beyond_the_context(family: str, length: int) -> None:
    model, ids = network(family), [(5 * i + length) % 29 for i in range(length)]
    steps = generate(model, ids, sampling=Sampling(temperature=0), max_tokens=40, seed=0)
    found = [token for step in steps for _, token in step]
    for token in found:
        with torch.no_grad():
            assert token == int(model(torch.tensor([ids]))[0, -1].argmax())
        ids.append(token)
    assert len(found) == 40


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_samples_go_on_from_one_prompt_alone(family: str) -> None:
    model, free = network(family), Sampling(temperature=1.0)
    together = list(generate(model, [4, 7], sampling=free, max_tokens=20, seed=0, samples=range(4)))
    for sample in range(4):
        alone = list(generate(model, [4, 7], sampling=free, max_tokens=20, seed=0, samples=[sample]))
        assert [step[sample] for step in together] == [step[0] for step in alone]
    assert len({tuple(step[sample][1] for step in together) for sample in range(4)}) == 4
