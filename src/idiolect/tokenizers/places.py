"""Where each token of a text stands in it, in characters and in bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from idiolect.errors import TokenizerError


class TokenPlaces(NamedTuple):
    """A text's ids, and where each token stands in the text."""

    ids: list[int]
    characters: list[tuple[int, int]]
    """First character and the one after the last; a token that holds part of a character has the whole of it."""
    bytes: list[tuple[int, int]]
    """The same in bytes of UTF-8, exactly."""

    @staticmethod
    def of(text: str, ids: list[int], lengths: list[int]) -> TokenPlaces:
        """The places of tokens that stand for so many bytes each, in order.

        Raises:
            TokenizerError: they do not come to the text's length, because the text was changed before it was cut.
        """
        data = np.frombuffer(text.encode(), np.uint8)
        if ids and sum(lengths) != len(data):
            raise TokenizerError("The places of the tokens are not known: what they stand for is not the text itself.")
        # The number of the character that each byte belongs to; one more at the end.
        character = np.append(np.cumsum((data & 0xC0) != 0x80) - 1, len(text))
        ends = np.cumsum(lengths, dtype=np.int64)
        starts = ends - np.array(lengths, dtype=np.int64)
        last = np.where(ends > starts, character[np.maximum(ends - 1, 0)] + 1, character[starts])
        return TokenPlaces(
            ids, list(zip(character[starts].tolist(), last.tolist())), list(zip(starts.tolist(), ends.tolist()))
        )
