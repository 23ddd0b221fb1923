"""What learners read: text in batches, whatever it comes from, or words that were counted elsewhere.

A batch is some megabytes, so that native code is called seldom and a corpus is never held whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from idiolect._native import CountedWords, WordCounter
from idiolect.errors import TokenizerError
from idiolect.text.batches import CHARACTERS, Rows, gathered
from idiolect.text.corpus import Corpus

_MOST_COUNT: Final = 2**62


def text_batches(source: Corpus | Iterable[str]) -> Iterator[Rows | list[str]]:
    """The texts to learn from: of a corpus, those for training."""
    if isinstance(source, str):
        raise TokenizerError(
            "A tokenizer learns from a list of texts, each a document, or from paths: put the text into a list, or "
            "make the name a Path."
        )
    if isinstance(source, Corpus):
        yield from source.batches("train")
        return
    yield from gathered(source, len, CHARACTERS)


def as_strings(batch: Rows | list[str]) -> list[str]:
    """The texts of a batch, as strings."""
    return batch.texts() if isinstance(batch, Rows) else batch


def counted_in_file(path: Path) -> CountedWords:
    """Words counted elsewhere: a JSON object of word and count, or lines of word, tab, count.

    Words are taken as they stand, as `bpe_learning.count_words` would have cut them: with the gpt2 pattern, with the
    space before them; for SentencePiece's rule, with `▁` in its place. The order of the file stands for the order of
    first appearance. A word that stands twice has the sum of its counts.

    Raises:
        TokenizerError: the file cannot be read, or has something else in it; the message says where.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{path} is not UTF-8: the byte at offset {error.start} is none of it.") from None
    counter = WordCounter("none")
    for where, word, count in _pairs(path, content):
        if type(count) is not int or not 0 < count <= _MOST_COUNT:
            raise TokenizerError(f"{path}, {where}: {count!r} is no count: each is a whole number from 1 to 2^62.")
        try:
            counter.add_word(word.encode(), count)
        except UnicodeEncodeError:
            raise TokenizerError(f"{path}, {where}: the word has half of a surrogate pair.") from None
        except ValueError as error:
            raise TokenizerError(f"{path}, {where}: {error}") from None
    words = counter.finish()
    if len(words) == 0:
        raise TokenizerError(f"{path} has no words in it.")
    return words


def _pairs(path: Path, content: str) -> Iterator[tuple[str, str, object]]:
    """Where it stands, word and count, for each word of a file of counts."""
    if content.lstrip()[:1] == "{":
        try:
            words = json.loads(content, object_pairs_hook=list, parse_int=_whole)
        except (ValueError, RecursionError) as error:
            raise TokenizerError(f"{path} begins like JSON, but is none: {error}.") from None
        for number, (word, count) in enumerate(words, start=1):
            yield f"word {number} ({word!r})", word, count
        return
    for number, line in enumerate(content.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line:
            continue
        word, tab, count = line.rpartition("\t")
        if not tab or not word:
            raise TokenizerError(f"{path}, line {number} is not a word, a tab and a count.")
        yield f"line {number}", word, _whole(count) if re.fullmatch("[0-9]+", count) else count


def _whole(digits: str) -> int:
    """A whole number, or one that is too large by far where it has more digits than any count."""
    return int(digits) if len(digits) < 30 else 2**63
