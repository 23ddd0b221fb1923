"""What a run says while it goes: a line of metrics.jsonl for each step, TensorBoard, a progress bar, and sentences.

Sentences and bars go to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)

Line = Mapping[str, float | int | str | None]


def speaks() -> bool:
    """Whether this process is the one that people hear: under `torchrun`, the first one."""
    return os.environ.get("RANK", "0") == "0"


def say(sentence: str) -> None:
    """A sentence for the person at the terminal."""
    if speaks():
        console.print(sentence, markup=False, soft_wrap=True)


class Journal:
    """The record of a run in its folder: `metrics.jsonl`, one JSON object a line, and `tensorboard/`.

    On resuming, what was written after the checkpoint is cut off, so that every step stands there once.

    Args:
        folder: where to write.
        length: bytes of metrics.jsonl to keep.
        step: the step it goes on from.
    """

    def __init__(self, folder: Path, *, length: int = 0, step: int = 0) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # slow to import

        self._file = open(folder / "metrics.jsonl", "ab")  # noqa: SIM115  closed by `close`
        self._file.seek(self._file.truncate(min(length, self._file.tell())))
        self._board = EventFileWriter(str(folder / "tensorboard"))
        self._board.add_event(_event(step + 1, session_log={"status": "START"}))  # what came after `step` is void

    def write(self, line: Line) -> None:
        """Append a line; its numbers go to TensorBoard under the same names, its text as text."""
        text = json.dumps({name: _plain(value) for name, value in line.items()}, ensure_ascii=False)
        self._file.write(text.encode() + b"\n")
        self._file.flush()
        values = [_value(name, value) for name, value in line.items() if value is not None and name != "step"]
        if values:
            self._board.add_event(_event(int(line.get("step") or 0), summary={"value": values}))

    def position(self) -> int:
        """Bytes of metrics.jsonl so far, all on the disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Finish both records."""
        self._file.close()
        self._board.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    with open(folder / "metrics.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _event(step: int, **content: object) -> Any:
    """What TensorBoard reads, for a step. (torch has a writer of such files, but is slow and large to import.)"""
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, **content)


def _value(name: str, value: float | int | str) -> dict[str, object]:
    """A number of an event, or a text, which TensorBoard shows as Markdown."""
    if not isinstance(value, str):
        return {"tag": name, "simple_value": float(value)}
    text = {"dtype": "DT_STRING", "string_val": [f"```\n{value}\n```".encode()], "tensor_shape": {"dim": [{"size": 1}]}}
    return {"tag": name, "metadata": {"plugin_data": {"plugin_name": "text"}}, "tensor": text}


def _plain(value: float | int | str | None) -> float | int | str | None:
    """JSON has no NaN and no infinity: they are written as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def amount(size: float) -> str:
    """Bytes for a person: "3.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds for a person: "2 min 5 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


class Bar:
    """A progress bar: what is done, how fast, how well, and the time left. Silent where standard error is no
    terminal."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,}/{task.total:,}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("elapsed,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal or not speaks(),
        )
        self._task: TaskID = self._progress.add_task(title, total=total, completed=done, note="")

    def update(self, done: int, note: str) -> None:
        """Show how much is done, with a note such as the loss."""
        self._progress.update(self._task, completed=done, note=note)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
