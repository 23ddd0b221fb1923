"""Several corpora as one, in given shares.

The shares are of characters, whatever the documents' lengths, and hold all the way through and not only at the end:
at each turn the source that is furthest behind its share gives its next document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from idiolect.errors import CorpusError
from idiolect.text.document import StoredDocument


def interleave(sources: Sequence[Iterator[StoredDocument]], weights: Sequence[float]) -> Iterator[StoredDocument]:
    """Take documents from several sources so that their characters stand to each other as the weights do.

    Next is the source with the smallest (characters so far / weight); of equals, the one named first. The mixture ends
    when the source whose turn it is has no more, so that nothing is repeated. A long document is read once more, for
    its length.

    Raises:
        CorpusError: a source has nothing to give.
    """
    characters = [0] * len(sources)
    while True:
        turn = min(range(len(sources)), key=lambda i: characters[i] / weights[i])
        document = next(sources[turn], None)
        if document is None:
            if not characters[turn]:
                raise CorpusError(f"Source {turn + 1} of the mixture has no text of its own: leave it out.")
            return
        characters[turn] += document.length()
        yield document
