"""The machine is set up so that fp32 stays fp32, and says what it is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from idiolect import compute
from idiolect.errors import UsageError


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What `set_up` changes for the whole process is put back."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.mark.parametrize("shape", [(7, 5, 3), (64, 64, 64), (768, 128, 344)])
def test_products_are_fp32_whatever_computes_them(shape: tuple[int, int, int]) -> None:
    compute.set_up(1)
    rows, inner, columns = shape
    random = torch.Generator().manual_seed(0)
    left, right = torch.randn(rows, inner, generator=random), torch.randn(inner, columns, generator=random)
    exact = left.double() @ right.double()
    assert ((left @ right).double() - exact).abs().max() < 1e-6 * inner


def test_products_that_would_be_rounded_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_cpu_info", lambda: "vendor_id : AuthenticAMD")
    monkeypatch.setattr(torch, "eye", lambda size: torch.zeros(size, size))  # a product that comes out wrong
    torch.set_float32_matmul_precision("highest")
    compute._use_fast_products()
    assert torch.get_float32_matmul_precision() == "highest"


def test_other_processors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_cpu_info", lambda: "vendor_id : GenuineIntel")
    torch.set_float32_matmul_precision("highest")
    compute._use_fast_products()
    assert torch.get_float32_matmul_precision() == "highest"


def test_threads_and_precision_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compute.set_up(1).threads == 1 and torch.get_num_threads() == 1
    with pytest.raises(UsageError, match="threads must be from 1"):
        compute.set_up(0)
    cpu = torch.device("cpu")
    monkeypatch.setattr(compute, "_cpu_info", lambda: "flags : avx512f avx512_bf16")
    chosen = [compute.choose_precision("auto", cpu, dim) for dim in (64, 127, 128, 1024)]
    assert chosen == ["fp32", "fp32", "bf16", "bf16"]
    monkeypatch.setattr(compute, "_cpu_info", lambda: "flags : avx2")
    assert compute.choose_precision("auto", cpu, 1024) == "fp32"
    assert compute.choose_precision("bf16", cpu, 8) == "bf16"


def test_a_peak_begins_anew_from_what_is_held() -> None:
    held = compute.forget_peak()
    if held is None:
        pytest.skip("this system does not let a peak be forgotten")
    size = 80 * 2**20
    block = torch.ones(size, dtype=torch.uint8)
    assert compute.peak_memory() - held > 0.9 * size
    del block
    again = compute.forget_peak()
    assert again is not None and again - held < 0.5 * size
    assert compute.peak_memory() - held < 0.5 * size


def test_kernels_do_not_pile_up_and_what_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name)
    compute.set_up(1)
    assert os.environ[name] == "64"
    monkeypatch.setenv(name, "7")
    compute.set_up(1)
    assert os.environ[name] == "7"
