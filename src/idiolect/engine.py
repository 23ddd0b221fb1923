"""Where a function is applied to batch after batch: in threads of this process, or on the machines of a Ray cluster.

Results come in the order of the batches, whatever finishes first, and only a few batches are on their way at any
moment, so a corpus of any size streams through. What is computed is the same with either engine.

Ray is the optional extra `ray`. The cluster is the one that `RAY_ADDRESS` names, or a local one of this machine's
cores. The function and what it shares travel to the workers by Ray's own means; nothing of that is written to an
artifact.
"""

from __future__ import annotations

import importlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

from idiolect.errors import UsageError

Engine = Literal["threads", "ray"]
Batch = TypeVar("Batch")
Shared = TypeVar("Shared")
Result = TypeVar("Result")

WAITING = 2
"""Batches on their way for each worker: one at work, one behind it."""


def in_order(
    engine: Engine,
    function: Callable[[Shared, Batch], Result],
    shared: Shared,
    batches: Iterable[Batch],
    *,
    workers: int,
) -> Iterator[Result]:
    """`function(shared, batch)` of each batch, in their order.

    Args:
        engine: "threads" of this process (for functions that let go of the global lock), or "ray".
        function: a function at the top of a module, so that other machines find it.
        shared: what every call needs; with Ray it is sent to each machine once.
        batches: taken from as results are asked for.
        workers: how many threads; Ray uses the processors its cluster has.

    Raises:
        UsageError: the engine is "ray" and Ray is not installed.

    Example:
        >>> list(in_order("threads", lambda power, n: n**power, 2, range(4), workers=2))
        [0, 1, 4, 9]
    """
    if engine == "ray":
        yield from _on_ray(function, shared, batches)
        return
    with ThreadPoolExecutor(workers) as pool:
        results = (pool.submit(function, shared, batch) for batch in batches)
        for future in _windowed(results, WAITING * workers):
            yield future.result()


def _on_ray(function: Callable[[Shared, Batch], Result], shared: Shared, batches: Iterable[Batch]) -> Iterator[Result]:
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise UsageError("The engine ray needs Ray: install it with pip install 'idiolect[ray]'.") from None
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False)
    remote = ray.remote(_with_shared)
    boxed = [ray.put(shared)]  # in a list, or Ray would unpack it anew for every call
    results = (remote.remote(function, boxed, batch) for batch in batches)
    workers = int(ray.cluster_resources().get("CPU", 1))
    for result in _windowed(results, WAITING * workers):
        yield ray.get(result)


_unpacked: dict[Any, Any] = {}
"""In a worker of Ray: what the calls share, by its reference."""


def _with_shared(function: Callable[[Any, Any], Any], boxed: list[Any], batch: Any) -> Any:
    """One call in a worker, which unpacks what is shared once."""
    ray: Any = importlib.import_module("ray")
    if boxed[0] not in _unpacked:
        _unpacked.clear()
        _unpacked[boxed[0]] = ray.get(boxed[0])
    return function(_unpacked[boxed[0]], batch)


def _windowed(results: Iterator[Any], window: int) -> Iterator[Any]:
    """The same, with up to `window` begun ahead of the one that is handed out."""
    waiting = deque(itertools.islice(results, window))
    while waiting:
        yield waiting.popleft()
        waiting.extend(itertools.islice(results, 1))
