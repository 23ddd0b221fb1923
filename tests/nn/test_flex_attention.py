"""Attention by blocks equals attention by masks, and is left where it does not.

On a CPU PyTorch computes it without a kernel, or with a compiled one that cannot learn (slow); both are held to the
other path here. The kernels for a GPU, forwards and backwards, are tested where there is one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention as torch_flex

from idiolect.models.build import build
from idiolect.models.spec import TransformerSpec
from idiolect.nn import attention, flex_attention
from idiolect.nn.attention import Attention
from idiolect.nn.flex_attention import Trust
from idiolect.nn.masks import Sight, alibi_slopes, sight
from idiolect.nn.positions import rotary_tables
from idiolect.nn.reference import decoder_attention

KINDS = list(itertools.product([True, False], [0, 7, 60], [True, False], [True, False]))
"""Causal, window, packed, ALiBi."""
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="kernels by blocks are for a GPU")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Trust:
    """Nothing is known of any kernel."""
    trust = Trust()
    monkeypatch.setattr(flex_attention, "trust", trust)
    return trust


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arithmetic of PyTorch's FlexAttention without a compiler, gradients too, which a CPU refuses otherwise."""
    monkeypatch.setattr(torch_flex, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    monkeypatch.setattr(torch_flex, "_validate_device", lambda *_: None)
    monkeypatch.setattr(flex_attention, "_kernel", torch_flex.flex_attention)


def sights(kind: tuple[bool, int, bool, bool], rows: int, positions: int, heads: int, device: str) -> list[Sight]:
    """The same sight by blocks and by a mask."""
    causal, window, packed, alibi = kind
    generator = torch.Generator().manual_seed(window)
    segments = torch.randint(0, 5, (rows, positions), generator=generator).sort(dim=1).values.to(device)
    slopes = alibi_slopes(heads).to(device) if alibi else None
    return [
        sight(
            positions,
            causal=causal,
            window=window,
            segments_BT=segments if packed else None,
            slopes_H=slopes,
            by_blocks=by_blocks,
            device=torch.device(device),
        )
        for by_blocks in (True, False)
    ]


def some(*shape: int, seed: int, device: str = "cpu") -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device).requires_grad_()


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("heads", "kv_heads", "positions"), [(2, 2, 130), (4, 2, 5), (3, 1, 256)])
def test_blocks_give_the_answers_and_gradients_of_a_mask(kind, heads: int, kv_heads: int, positions: int) -> None:
    by_blocks, by_mask = sights(kind, 2, positions, heads, "cpu")
    if by_mask.mask is None:  # the kernel of the other path knows the rule, so there is nothing to be done by blocks
        assert by_blocks == by_mask
        return
    assert by_blocks.mask is None and by_blocks.blocks is not None
    given = [some(2, n, positions, 16, seed=n + k) for k, n in enumerate((heads, kv_heads, kv_heads))]
    ours, theirs = attention.attend(*given, by_blocks), attention.attend(*given, by_mask)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    directions = torch.randn(ours.shape, generator=torch.Generator().manual_seed(9))
    found, expected = (torch.autograd.grad(answers, given, directions) for answers in (ours, theirs))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not flex_attention.trust.lost


@pytest.mark.usefixtures("uncompiled")
def test_blocks_equal_the_textbook() -> None:
    module = Attention(12, 4, 2, 16, qk_norm_eps=1e-6)
    hidden = some(1, 9, 12, seed=1).detach()
    packed = torch.zeros(1, 9, dtype=torch.int64)
    seen = sight(9, causal=True, segments_BT=packed, by_blocks=True)
    with torch.no_grad():
        answer = module(hidden, rotary_tables(9, 16, 100.0), seen)[0]
        torch.testing.assert_close(answer, decoder_attention(module, hidden[0], 100.0), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("kind", [(True, 60, True, False), (False, 60, True, True), (True, 0, False, True)])
def test_compiled_for_a_cpu_blocks_give_the_answers_of_a_mask(kind) -> None:
    by_blocks, by_mask = sights(kind, 2, 384, 4, "cpu")
    given = [some(2, n, 384, 16, seed=n + k).detach() for k, n in enumerate((4, 2, 2))]
    torch.testing.assert_close(
        attention.attend(*given, by_blocks), attention.attend(*given, by_mask), atol=1e-5, rtol=1e-5
    )
    assert not flex_attention.trust.lost


# What is not right is not used


def test_a_cpu_short_rows_and_odd_heads_keep_masks() -> None:
    gpu, cpu = torch.device("cuda", 0), torch.device("cpu")
    assert flex_attention.suits(gpu, 4, 512, 64, torch.float32)
    assert not flex_attention.suits(cpu, 4, 512, 64, torch.float32)
    for positions, head_dim, dtype in [(128, 64, torch.float32), (500, 64, torch.float32), (512, 8, torch.float32)]:
        assert not flex_attention.suits(gpu, 4, positions, head_dim, dtype)
    assert not flex_attention.suits(gpu, 4, 512, 96, torch.float32)
    assert not flex_attention.suits(gpu, 4, 512, 64, torch.float64)


def test_rows_of_many_shapes_are_not_all_compiled_for(fresh: Trust) -> None:
    fresh.shapes |= {(rows, 512) for rows in range(flex_attention.SHAPES)}
    gpu = torch.device("cuda", 0)
    assert flex_attention.suits(gpu, 3, 512, 64, torch.float32)
    assert not flex_attention.suits(gpu, 99, 512, 64, torch.float32)


def wrong(*given: Tensor, **options: object) -> Tensor:
    """Attention that sees everything."""
    options["block_mask"] = None
    return torch_flex.flex_attention(*given, **options)  # type: ignore[arg-type]


def not_finite(*given: Tensor, **options: object) -> Tensor:
    return (given[0] + given[1] + given[2]) * float("nan")


def fails(*given: Tensor, **options: object) -> Tensor:
    raise RuntimeError("no compiler")


@pytest.mark.parametrize(
    ("kernel", "reason"), [(wrong, "differs"), (not_finite, "differs"), (fails, r"cannot be compiled .*RuntimeError")]
)
def test_a_kernel_that_is_wrong_or_missing_is_left_with_one_sentence(
    kernel: Callable[..., Tensor],
    reason: str,
    uncompiled: None,
    fresh: Trust,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[str] = []
    monkeypatch.setattr(flex_attention, "say", told.append)
    monkeypatch.setattr(flex_attention, "_kernel", kernel)
    by_blocks, by_mask = sights((True, 7, True, False), 2, 130, 2, "cpu")
    given = [some(2, 2, 130, 16, seed=k) for k in range(3)]
    for _ in range(2):
        torch.testing.assert_close(attention.attend(*given, by_blocks), attention.attend(*given, by_mask))
    assert fresh.lost and not flex_attention.suits(torch.device("cuda", 0), 4, 512, 64, torch.float32)
    (sentence,) = told
    assert re.search(reason, sentence)


def test_too_little_memory_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Tensor, **options: object) -> Tensor:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(flex_attention, "_kernel", full)
    by_blocks, _ = sights((True, 7, True, False), 2, 130, 2, "cpu")
    with pytest.raises(torch.OutOfMemoryError):
        attention.attend(*[some(2, 2, 130, 16, seed=k) for k in range(3)], by_blocks)


@pytest.mark.usefixtures("uncompiled")
def test_a_kernel_is_compared_once_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    difference = flex_attention._difference
    monkeypatch.setattr(flex_attention, "_difference", lambda *given: compared.append(1) or difference(*given))
    before = torch.get_rng_state()
    for seed in range(3):
        by_blocks, _ = sights((True, 7, True, False), 2, 130, 2, "cpu")
        attention.attend(*[some(2, 2, 130, 16, seed=seed + k) for k in range(3)], by_blocks)
    assert len(compared) == 1
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():  # another kernel
        attention.attend(*[some(2, 2, 130, 16, seed=k) for k in range(3)], by_blocks)
    assert len(compared) == 2


# Whole models

SHAPES = [
    {"window": 40},
    {"positions": "alibi"},
    {"family": "encoder", "window": 40, "global_every": 2},
    {"family": "encoder", "positions": "alibi"},
]


def loss_and_gradients(shape: dict[str, object], device: str) -> tuple[Tensor, list[Tensor]]:
    """Of a model of three layers on packed documents."""
    model = build(TransformerSpec(vocab_size=19, context=256, layers=3, heads=4, kv_heads=2, dim=32, **shape)).to(
        device
    )
    model.init_weights(seed=1)
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        parameter.data.add_((torch.randn(parameter.shape, generator=generator) * 0.1).to(device))
    ids = torch.randint(0, 19, (2, 256), generator=generator).to(device)
    segments = torch.randint(0, 4, (2, 256), generator=generator).sort(dim=1).values.to(device)
    loss = (model.hidden(ids, segments) @ model.embed_tokens.weight.T).logsumexp(dim=-1).mean()
    return loss, list(torch.autograd.grad(loss, [*model.parameters()], allow_unused=True))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_learns_the_same_by_blocks(shape, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = loss_and_gradients(shape, "cpu")
    made = []
    blocks = flex_attention.Rule.blocks
    monkeypatch.setattr(flex_attention.Rule, "blocks", lambda *given: made.append(1) or blocks(*given))
    monkeypatch.setattr(flex_attention, "suits", lambda *_: True)
    found = loss_and_gradients(shape, "cpu")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert len(made) == (2 if "global_every" in shape else 1), "the layers share what they may see"
    assert not flex_attention.trust.lost


@pytest.mark.usefixtures("uncompiled")
def test_weights_for_plots_and_caches_keep_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex_attention, "suits", lambda *_: True)
    model = build(TransformerSpec(vocab_size=19, context=64, layers=2, heads=4, kv_heads=2, dim=32, window=5))
    model.init_weights(seed=1)
    ids = torch.arange(12)[None] % 19
    with torch.no_grad():
        assert model.attention_weights(ids).shape == (2, 1, 4, 12, 12)
        cache = model.new_cache(1, 12)
        steps = [model.hidden(part, cache=cache) for part in ids.split([7, 1, 4], dim=1)]
        torch.testing.assert_close(torch.cat(steps, dim=1), model.hidden(ids), atol=1e-5, rtol=1e-5)


# On a GPU


@needs_gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_of_a_gpu_gives_the_answers_and_gradients_of_a_mask(kind, dtype: torch.dtype) -> None:
    by_blocks, by_mask = sights(kind, 2, 384, 4, "cuda")
    if by_blocks.blocks is None:
        return
    given = [some(2, n, 384, 32, seed=n + k, device="cuda") for k, n in enumerate((4, 2, 2))]
    used = [tensor.to(dtype) for tensor in given]
    ours, theirs = attention.attend(*used, by_blocks), attention.attend(*used, by_mask)
    close = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 5e-2, "rtol": 5e-2}
    torch.testing.assert_close(ours, theirs, **close)
    directions = torch.randn_like(ours)
    found, expected = (torch.autograd.grad(answers, given, directions, retain_graph=True) for answers in (ours, theirs))
    torch.testing.assert_close(found, expected, **close)
    assert not flex_attention.trust.lost


@needs_gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_learns_the_same_by_blocks_on_a_gpu(shape, fresh: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    found = loss_and_gradients({**shape, "head_dim": 16}, "cuda")
    assert fresh.kernels and not fresh.lost
    monkeypatch.setattr(flex_attention, "suits", lambda *_: False)
    expected = loss_and_gradients({**shape, "head_dim": 16}, "cuda")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
