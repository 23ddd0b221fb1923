"""A run that is asked to stop (Ctrl-C, SIGTERM) notes it, so that it can end where its state is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def noting_signals() -> Iterator[list[int]]:
    """Within it, Ctrl-C and SIGTERM are noted in the list instead of ending the process at once."""
    asked: list[int] = []
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in previous:
            signal.signal(number, lambda received, _: asked.append(received))
    except ValueError:  # not in the main thread, as in some notebooks: signals stay as they are
        previous = {}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
