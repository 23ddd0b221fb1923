"""The record of a run: lines that survive a resumption, numbers JSON can hold, and who may speak."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from idiolect.journal import Bar, Journal, amount, duration, read_metrics, say


def test_lines_are_read_back_as_written(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.write({"step": 1, "train_loss": 2.5, "val_loss": None})
        journal.write({"step": 2, "train_loss": float("nan"), "sample": "naïve 你好\n😀"})
    assert read_metrics(tmp_path) == [
        {"step": 1, "train_loss": 2.5, "val_loss": None},
        {"step": 2, "train_loss": None, "sample": "naïve 你好\n😀"},
    ]
    assert list((tmp_path / "tensorboard").iterdir())


def test_position_counts_bytes_even_behind_text_of_several_bytes_a_character(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        assert journal.position() == 0
        for step in range(1, 4):
            journal.write({"step": step, "sample": "é你😀" * step})
            assert journal.position() == os.path.getsize(tmp_path / "metrics.jsonl")


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_resuming_cuts_off_what_came_after_the_checkpoint(tmp_path: Path, kept: int) -> None:
    positions = [0]
    with closing(Journal(tmp_path)) as journal:
        for step in range(1, 4):
            journal.write({"step": step, "sample": "é你😀" * step})
            positions.append(journal.position())
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b'{"step": 4, "sam')  # killed in the middle of a line
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with closing(Journal(tmp_path, length=positions[kept], step=kept)) as journal:
        assert journal.position() == positions[kept]
        journal.write({"step": kept + 1, "sample": "ü"})
        assert journal.position() == os.path.getsize(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in read_metrics(tmp_path)] == list(range(1, kept + 2))
    assert (tmp_path / "metrics.jsonl").read_bytes()[: positions[kept]] == before[: positions[kept]]


def test_a_lost_record_is_begun_anew_and_not_filled_with_nothing(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, length=1000, step=9)) as journal:
        journal.write({"step": 10})
    assert (tmp_path / "metrics.jsonl").read_bytes() == b'{"step": 10}\n'


def test_every_line_is_whole_json_without_nan(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.write({"step": 1, "loss": float("inf"), "other": -float("inf")})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {"step": 1, "loss": None, "other": None}


def test_sentences_go_to_standard_error_and_from_the_first_process_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say("[bold] is no markup here, and a long sentence is not broken: " + "x" * 200)
    monkeypatch.setenv("RANK", "1")
    say("unheard")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "[bold] is no markup here, and a long sentence is not broken: " + "x" * 200 + "\n"


def test_a_bar_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("training", total=3, done=1) as bar:
        bar.update(2, "loss 1.0")
    assert capsys.readouterr() == ("", "")


def test_tensorboard_reads_numbers_and_texts_and_forgets_what_was_cut_off(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for kept in (0, 2):
        if kept:
            time.sleep(1)  # TensorBoard reads its files in the order of their names, which tell seconds
        with closing(Journal(tmp_path, step=kept)) as journal:
            for step in range(kept + 1, 5 - kept):
                journal.write({"step": step, "train_loss": step + kept / 10, "val_loss": None, "sample": "é 你"})
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(one.step, one.value) for one in board.Scalars("train_loss")] == [(1, 1.0), (2, 2.0)]
    assert board.Tensors("sample")[0].tensor_proto.string_val[0].decode() == "```\né 你\n```"


def test_amounts_and_durations_for_people() -> None:
    assert [amount(size) for size in (0, 999, 3_240_000, 123_456_789, 5e13)] == [
        "0 bytes",
        "999 bytes",
        "3.2 MB",
        "123 MB",
        "50.0 TB",
    ]
    assert [duration(s) for s in (0.04, 9.94, 59.4, 60, 125.4, 3599.7, 7384)] == [
        "0.0 s",
        "9.9 s",
        "59 s",
        "1 min 0 s",
        "2 min 5 s",
        "1 h 0 min",
        "2 h 3 min",
    ]
