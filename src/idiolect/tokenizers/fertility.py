"""How short a tokenizer makes text, and how well it uses its vocabulary: the figures of its page.

Bytes per token says how much a model of a given context can see; tokens per word (fertility) how finely words are cut,
and is high for the languages a tokenizer saw little of. Both are counted on held-out text, source by source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from idiolect.text.document import Document
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer


@dataclass
class Fertility:
    """What a tokenizer made of some text."""

    text_bytes: int = 0
    words: int = 0
    """Runs of characters between white space."""
    uses: Counter[int] = field(default_factory=Counter)
    """How often each id came."""

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return sum(self.uses.values())

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes for each token; NaN where there is none."""
        return self.text_bytes / self.tokens if self.tokens else float("nan")

    @property
    def tokens_per_word(self) -> float:
        """Tokens for each word; NaN where there is none."""
        return self.tokens / self.words if self.words else float("nan")

    def add(self, tokenizer: Tokenizer, text: str) -> None:
        """Count one more text."""
        self.text_bytes += len(text.encode())
        self.words += len(text.split())
        self.uses.update(tokenizer.encode(text))


def sample(documents: Iterable[Document], by: str, *, most_characters: int) -> dict[str, list[str]]:
    """Texts by source: of each value of the field `by`, the first documents up to an equal share of characters.

    Sources beyond the first 12 are counted together as "others".

    Example:
        >>> texts = sample(corpus.documents("validation"), "source", most_characters=1_000_000)
    """
    texts: dict[str, list[str]] = {}
    sizes: Counter[str] = Counter()
    for document in documents:
        name = str(document.fields.get(by, "text"))
        if name not in texts and len(texts) >= 12:
            name = "others"
        if sizes[name] < most_characters:
            piece = document.text[: most_characters - sizes[name]]
            texts.setdefault(name, []).append(piece)
            sizes[name] += len(piece)
    share = max(1, most_characters // max(1, len(texts)))
    return {name: _first(pieces, share) for name, pieces in texts.items()}


def measure(tokenizer: Tokenizer, texts: Mapping[str, Sequence[str]]) -> dict[str, Fertility]:
    """What the tokenizer makes of each source's texts. What it has no token for is left out of the count."""
    found: dict[str, Fertility] = {}
    for name, pieces in texts.items():
        fertility = found[name] = Fertility()
        for piece in pieces:
            known = piece if tokenizer.can_encode(piece) else "".join(filter(tokenizer.can_encode, piece))
            fertility.add(tokenizer, known)
    return found


def total(parts: Iterable[Fertility]) -> Fertility:
    """The parts together."""
    whole = Fertility()
    for part in parts:
        whole.text_bytes += part.text_bytes
        whole.words += part.words
        whole.uses.update(part.uses)
    return whole


def merge_curve(tokenizer: BytePairTokenizer, texts: Sequence[str]) -> list[tuple[int, float]]:
    """Bytes per token after the first 0, 1, 2, 4, … merges: what each doubling of the vocabulary brought."""
    curve = []
    counts = [0, *(2**power for power in range(0, 40, 2) if 2**power < len(tokenizer.merges)), len(tokenizer.merges)]
    for merges in counts:
        fertility = Fertility()
        shortened = tokenizer.with_merges(merges)
        for text in texts:
            fertility.add(shortened, text)
        curve.append((merges, fertility.bytes_per_token))
    return curve


def _first(pieces: list[str], most: int) -> list[str]:
    """The first pieces, `most` characters in all."""
    kept = []
    for piece in pieces:
        if most <= 0:
            break
        kept.append(piece[:most])
        most -= len(piece)
    return kept
