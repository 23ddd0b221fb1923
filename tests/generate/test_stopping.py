"""Stop strings: however the text is cut into pieces, it ends at the same place."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idiolect.errors import UsageError
from idiolect.generate.stopping import StopStrings


def ended(text: str, stops: list[str]) -> tuple[str, bool]:
    """The definition: letter by letter, until the text ends with a stop string."""
    for end in range(1, len(text) + 1):
        for stop in sorted(stops, key=len, reverse=True):
            if text[:end].endswith(stop):
                return text[: end - len(stop)], True
    return text, False


LETTERS = st.text(alphabet="abé🙂", max_size=30)


@given(
    pieces=st.lists(st.text(alphabet="abé🙂", max_size=4), max_size=12),
    stops=st.lists(st.text(alphabet="abé🙂", min_size=1, max_size=4), max_size=4),
)
@example(pieces=["aab", "b"], stops=["aabb", "ab"])  # one begins earlier, the other is complete earlier
@example(pieces=["a", "a", "b"], stops=["aab", "ab", "b"])  # three complete at once: the longest counts
@example(pieces=["aaa", "ab"], stops=["aab"])  # a beginning that overlaps itself
def test_any_cutting_gives_the_same_text(pieces: list[str], stops: list[str]) -> None:
    stream = StopStrings(stops)
    given_out = [stream.push(piece) for piece in pieces]
    text = "".join(given_out) + stream.flush()
    assert (text, stream.stopped) == ended("".join(pieces), stops)


@given(text=LETTERS, stops=st.lists(st.text(alphabet="abé🙂", min_size=1, max_size=4), min_size=1, max_size=3))
def test_nothing_is_held_back_that_is_certain(text: str, stops: list[str]) -> None:
    """What is held back after each letter is a beginning of some stop string, and the longest the text ends with."""
    stream, out = StopStrings(stops), ""
    for end, letter in enumerate(text, start=1):
        out += stream.push(letter)
        if stream.stopped:
            break
        held = text[len(out) : end]
        beginnings = [text[i:end] for i in range(end) if any(stop.startswith(text[i:end]) for stop in stops)]
        assert held == max(beginnings, key=len, default="")


def test_without_stop_strings_everything_passes_at_once() -> None:
    stream = StopStrings([])
    assert stream.push("half a") == "half a"
    assert stream.push("") == ""
    assert stream.flush() == "" and not stream.stopped


def test_nothing_comes_after_the_end() -> None:
    stream = StopStrings(["."])
    assert stream.push("One. Two.") == "One"
    assert stream.stopped
    assert stream.push(" Three") == "" and stream.flush() == ""


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        StopStrings(["\n", ""])
