"""The machine a run uses: device, threads, allocator, precision, seeds, and the processes of a group.

Everything that is global to a process is set here, once, by `set_up`; nothing else in the package touches it.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from idiolect.errors import UsageError

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Compute:
    """Where a run computes. `rank` and `world` count the processes that `torchrun` started (0 and 1 without it)."""

    device: torch.device
    threads: int
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks to the terminal."""
        return self.rank == 0

    def total(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes, in float64."""
        if self.world == 1:
            return [float(value) for value in values]
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(value) for value in sums.tolist()]

    def summed(self, tensor: Tensor) -> Tensor:
        """A tensor summed over all processes, element by element."""
        if self.world == 1:
            return tensor
        whole = tensor.clone()
        dist.all_reduce(whole)
        return whole

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.world > 1:
            dist.barrier()

    def seed(self, number: int) -> None:
        """Seed what draws on this device (dropout): `torch.manual_seed` without a millisecond of asking for others."""
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def autocast(self, precision: Precision) -> AbstractContextManager[object]:
        """The context in which a forward pass runs: bf16 matrix products where asked for, fp32 otherwise."""
        if precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()


def set_up(threads: int | None = None) -> Compute:
    """Set the process up for computing and say with what.

    Args:
        threads: of this process; None: the machine's cores, shared fairly among the processes on it.

    Under `torchrun` it joins the group: NCCL where each process has a GPU, gloo otherwise. Calling it again is
    harmless.
    """
    _keep_freed_memory()
    _keep_few_kernels()
    processes_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    chosen = threads if threads is not None else max(1, cores // processes_here)
    if not 1 <= chosen <= 1024:
        raise UsageError(f"threads must be from 1 to 1024, not {chosen}.")
    torch.set_num_threads(chosen)
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cpu")
    if not torch.cuda.is_available():
        _use_fast_products()
    else:
        device = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = False
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not dist.is_initialized():
        enough = device.type == "cuda" and torch.cuda.device_count() >= processes_here
        dist.init_process_group("nccl" if enough else "gloo", timeout=timedelta(minutes=60))
    return Compute(device, chosen, int(os.environ.get("RANK", "0")), world)


def tear_down() -> None:
    """Leave the group of processes, if there is one."""
    if dist.is_initialized():
        gc.collect()  # what still refers to the group keeps its threads, and those abort a process at its exit
        dist.destroy_process_group()


def choose_precision(precision: Precision, device: torch.device, dim: int) -> Precision:
    """What `auto` means here: bf16 on a GPU that has it, and on a CPU with bf16 instructions for a model wide
    enough to gain.

    Below a width of 128 the conversions cost a CPU about what the products save (measured; see docs/log.md).
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    has_bf16 = "avx512_bf16" in _cpu_info() or "amx_bf16" in _cpu_info()
    return "bf16" if has_bf16 and dim >= 128 else "fp32"


def peak_memory() -> int:
    """The most memory this process has held so far, in bytes (on a GPU: the most its allocator held)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> int | None:
    """Have `peak_memory` begin anew, from what is held now, and return that; freed memory is given back first.

    None where that is not possible: then the peak stays that of the whole process.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return peak_memory()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # 5: the peak; see proc(5)
    except (OSError, AttributeError):
        return None
    return peak_memory()


@functools.cache
def _cpu_info() -> str:
    """What Linux says of the first processor: its vendor and its instructions; nothing elsewhere."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return ""


def _use_fast_products() -> None:
    """On AMD processors, have oneDNN compute fp32 matrix products: MKL leaves half of their speed unused.

    PyTorch hands fp32 products to oneDNN only where it may round them to bf16 ("medium"). Without matrix units oneDNN
    then computes in fp32 all the same. That is not taken on trust: a product that bf16 cannot hold must come out
    exact, or the setting is taken back.
    """
    if "AuthenticAMD" not in _cpu_info():
        return
    torch.set_float32_matmul_precision("medium")
    finer_than_bf16 = 1 + 2.0**-12
    for rows in (64, 1024):
        product = torch.full((rows, 256), finer_than_bf16) @ torch.eye(256)
        if not bool((product == finer_than_bf16).all()):
            torch.set_float32_matmul_precision("highest")


def _keep_freed_memory() -> None:
    """Tell glibc to keep freed memory in the process instead of returning it to the system at each step.

    PyTorch's CPU allocator takes and frees the same large blocks every step; without this the kernel clears their pages
    anew each time, which costs a training run a tenth to a third of its time. Elsewhere than on glibc nothing happens.
    """
    mmap_max, trim_threshold, top_pad = -4, -1, -2  # the constants of <malloc.h>
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 64 * 2**20)


def _keep_few_kernels() -> None:
    """Have oneDNN keep the kernels of 64 shapes of products, where it would those of 1024.

    It compiles one for each shape it meets. Hidden tokens are another number at each step, so that kernels of a head
    would pile up for hundreds of steps, some MB each, long after a forecast; they are hardly ever used again. A model
    has fewer shapes that come again. It is read at the first product; what a user has set stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
