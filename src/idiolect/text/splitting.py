"""Which documents train a model, and which are held out to measure it.

A document's split follows from its text alone: the same text falls in the same split whatever file it comes from and
whatever stands beside it. A corpus of a few texts has too few documents for that, so each text is cut by position.
"""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)

FEW = 20
"""A corpus of fewer documents is split by position within each."""


def split_of(head: str, *, validation: float, test: float) -> Split:
    """The split of a document, from the hash of its text (of its first part, where it is long).

    Args:
        head: the document's first part.
        validation: share of the documents held out for validation, 0 to 1.
        test: share of the documents held out for testing, 0 to 1.
    """
    digest = hashlib.blake2b(head.encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    if place < validation:
        return "validation"
    return "test" if place < validation + test else "train"


def splits_of(hashes: npt.NDArray[np.uint64], split: Split, *, validation: float, test: float) -> npt.NDArray[np.bool_]:
    """Which of many documents are in a split, as `split_of` has it, from the hashes of their (whole, short) texts."""
    places = hashes.astype(np.float64) / 2**64
    match split:
        case "validation":
            return places < validation
        case "test":
            return (places >= validation) & (places < validation + test)
        case "train":
            return (places >= validation) & (places >= validation + test)


def span_of(split: Split, length: int, *, validation: float, test: float) -> tuple[int, int | None] | None:
    """The characters [start, stop) of a text of `length` that are in a split by position; None for no characters.

    Training has the beginning and validation the rest, what would be the test's share included: with the default shares
    `text[:int(0.9 * n)]` and `text[int(0.9 * n):]`. A `stop` of None is the end of the text.
    """
    share = round(1 - validation - test, 9)  # 0.9, not 0.8999999999999999
    cut = int(share * length)
    match split:
        case "train":
            return (0, cut if cut < length else None) if cut else None
        case "validation":
            return (cut, None) if cut < length else None
        case "test":
            return None
