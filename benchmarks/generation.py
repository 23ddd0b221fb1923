"""What is gained by generating together, and what a keystroke costs, on a model of random weights.

    python benchmarks/generation.py --prompts 32 --threads 2

Both sides of each ratio in one run, in turn, medians; that they give the same text is checked before.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.spec import TransformerSpec
from idiolect.text.pydocs import documents
from idiolect.tokenizers.base import Tokenizer


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    texts = [document.text for document, _ in zip(documents(), range(1500))]
    tokenizer = Tokenizer.train(texts, vocab_size=4096)
    network = build(TransformerSpec(tokenizer.vocab_size, 256, layers=4, dim=256, heads=4, kv_heads=4, head_dim=64))
    network.init_weights(seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    model = LanguageModel(network.eval(), tokenizer)

    chance = random.Random(0)
    words = " ".join(texts).split()
    prompts = []
    for _ in range(options.prompts):
        start = chance.randrange(len(words) - 100)
        prompts.append(" ".join(words[start : start + chance.randint(1, 60)]))
    lengths = [len(tokenizer.encode(prompt)) for prompt in prompts]
    print(f"{len(prompts)} prompts of {min(lengths)} to {max(lengths)} tokens, {options.tokens} more of each")

    def alone() -> list[str]:
        return [model.complete(prompt, max_tokens=options.tokens, seed=1) for prompt in prompts]

    def together() -> list[str]:
        return model.complete_batch(prompts, max_tokens=options.tokens, seed=1)

    same = sum(one == other for one, other in zip(alone(), together()))
    times = [(seconds(alone), seconds(together)) for _ in range(options.runs)]
    one, other = (statistics.median(side) for side in zip(*times))
    total = options.tokens * len(prompts)
    print(f"same text: {same} of {len(prompts)}; tokens/s one by one {total / one:.0f}, together {total / other:.0f}")
    print(f"together is {one / other:.1f} times as fast")

    choices = [f" {word}" for word in dict.fromkeys(words[:400])][:100]

    def whole() -> list[object]:
        return [model.log_prob(choice, prompt=prompts[0]) for choice in choices]

    times = [(seconds(whole), seconds(lambda: model.choose(prompts[0], choices))) for _ in range(options.runs)]
    one, other = (statistics.median(side) for side in zip(*times))
    print(
        f"{len(choices)} choices: each whole {1000 * one:.0f} ms, together {1000 * other:.0f}: {one / other:.1f} times"
    )

    first = seconds(lambda: model.autocomplete("The first word"))
    waits = []
    for prompt in prompts:
        waits += [seconds(partial(model.autocomplete, prompt[:-cut])) for cut in range(1, 4)]
    print(
        f"autocomplete: the first {1000 * first:.0f} ms (the vocabulary is sorted), then median "
        f"{1000 * statistics.median(waits):.0f} ms a keystroke, longest {1000 * max(waits):.0f}"
    )


if __name__ == "__main__":
    main()
