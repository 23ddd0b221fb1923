"""A recurrent network goes on for as long as one likes, its state the only memory."""

from __future__ import annotations

import pytest
import torch

from idiolect.evaluation.perplexity import token_log_probs
from idiolect.generate.beam import beam_search
from idiolect.generate.engine import generate, generate_batch
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


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_prompts_of_unequal_length_go_on_together_as_alone(family: str) -> None:
    model, free = network(family), Sampling(temperature=1.0)
    prompts = [[4], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [7, 7, 7], [1, 2]]
    found: dict[int, list[int]] = {}
    for step in generate_batch(model, prompts, sampling=free, max_tokens=20, seed=0, batch_rows=3):
        for number, token in step:
            found.setdefault(number, []).append(token)
    for number, prompt in enumerate(prompts):
        alone = generate(model, prompt, sampling=free, max_tokens=20, seed=0)
        assert found[number] == [token for step in alone for _, token in step]


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_beams_keep_their_own_states(family: str) -> None:
    """The probability that a beam adds up on the way is that of its whole text read again."""
    model, prompt = network(family), [4, 7]
    best = beam_search(model, prompt, beams=4, max_tokens=12, nbest=4)
    assert len({one.ids for one in best}) == 4
    for one in best:
        log_probs = token_log_probs(model, [*prompt, *one.ids])[len(prompt) - 1 :]
        assert one.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-4)
