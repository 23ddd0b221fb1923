"""The native core: C++ behind a thin binding (native/bind/)."""

import numpy as np
import numpy.typing as npt

def thread_count(asked: int = 0) -> int:
    """How many threads the core uses when asked for `asked`; 0: as many as this process may."""

# unicode, split

def character_classes(text: bytes) -> bytes:
    """The class of each character of UTF-8 text, one byte for each, as native/unicode.hpp numbers them."""

def split_words(pattern: str, text: bytes) -> list[bytes]:
    """The words of UTF-8 text, cut by the pattern of this name; put together they are the text.

    Any bytes will do: one that belongs to no valid UTF-8 counts as a character of no class.

    Raises:
        ValueError: there is no pattern of this name.
    """

class TokenBytes:
    """The bytes of each id, and of ids in a row."""

    def __init__(self, pieces: list[bytes]) -> None: ...
    def decode(self, ids: list[int] | npt.NDArray[np.int64]) -> bytes:
        """The bytes of the ids. Raises ValueError for an id that is not there."""

def id_lists(
    ids: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64], numbers: list[int], threads: int = 0
) -> list[list[int]]:
    """A list of ids for each text; `numbers` is list(range(vocab_size))."""

class BpeEncoder:
    """A BPE vocabulary, ready to encode. Raises ValueError where its parts do not fit together."""

    def __init__(
        self,
        pieces: list[bytes],
        special: npt.NDArray[np.uint32],
        merges: npt.NDArray[np.uint32],
        pattern: str,
        characters: bool,
        byte_ids: npt.NDArray[np.uint32],
        unknown: int,
        ignore_merges: bool,
        rank_by_piece: bool,
        fuse_unknown: bool,
        unused: npt.NDArray[np.uint32],
    ) -> None: ...
    def encode(
        self, texts: list[str | bytes | memoryview], threads: int = 0, check: bool = False
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """The ids of all texts, and where each text begins in them; one more place for the end."""
    def encode_text(self, text: str | bytes | memoryview, numbers: list[int]) -> list[int]:
        """The ids of one text as a list; `numbers` is list(range(vocab_size))."""

    def encode_lengths(self, text: str | bytes | memoryview) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """The ids of a text, and the bytes that each stands for."""
    def sample(self, text: str | bytes | memoryview, dropout: float, seed: int) -> npt.NDArray[np.uint32]:
        """The ids of a text with BPE-dropout."""

# normalize

class Normalizer:
    """What SentencePiece does to a text: its rule table, then its spaces."""

    def __init__(
        self,
        charsmap: bytes,
        *,
        collapse_spaces: bool,
        prefix_space: bool,
        prefix_once: bool,
        mark: bool,
        suffix: bool,
        kept: list[bytes],
    ) -> None:
        """Read the rule table; of no bytes: there are no rules. `kept` are strings that no rule changes.

        Raises:
            ValueError: the table is damaged, and how.
        """

    def __call__(self, text: bytes) -> bytes:
        """The text, UTF-8, normalised; a byte that is no UTF-8 becomes U+FFFD."""

# unigram

class UnigramWords:
    """Counts the words that a unigram model learns from; native/unigram_words.hpp."""

    def __init__(
        self,
        *,
        lines: bool,
        collapse_spaces: bool,
        prefix_space: bool,
        cut_scripts: bool,
        ends: bool,
        longest_sentence: int,
        threads: int,
    ) -> None: ...
    def add(self, texts: list[str]) -> None: ...
    def counts(self) -> list[tuple[bytes, int]]:
        """The words with their counts, the most frequent first."""
    @property
    def sentences(self) -> int: ...
    @property
    def left_out(self) -> int: ...

class UnigramLearning:
    """How a unigram model is learnt; native/unigram_learn.hpp says what each field means."""

    pieces: int
    target: int
    seeds: int
    max_piece_length: int
    split_scripts: bool
    split_numbers: bool
    split_digits: bool
    required: list[int]
    coverage: float
    shrinking: float
    sub_iterations: int
    shards: int
    like_sentencepiece: bool
    threads: int
    def learn(self, words: UnigramWords | list[tuple[bytes, int]]) -> tuple[list[tuple[str, float]], list[float]]:
        """Pieces with scores, the likeliest first, and the log likelihood per word after each step.

        Raises:
            ValueError: an option is out of range, or the text does not suffice.
        """

def unigram_expectation(
    pieces: list[bytes], scores: list[float], words: list[tuple[bytes, int]], shards: int = 16, threads: int = 0
) -> tuple[list[float], float]:
    """One E-step in SentencePiece's arithmetic: how often each piece is expected, and the log likelihood of all words.

    Raises:
        ValueError: a piece stands twice or is empty, or a piece or a word is not UTF-8.
    """

class UnigramEncoder:
    """A unigram model, ready to encode. Raises ValueError where its parts do not fit together."""

    def __init__(
        self,
        pieces: list[bytes],
        scores: npt.NDArray[np.float32],
        kinds: bytes,
        byte_ids: npt.NDArray[np.uint32],
        *,
        collapse_spaces: bool,
        prefix_space: bool,
        mark: bool,
    ) -> None: ...
    def encode(
        self, texts: list[str | bytes | memoryview], threads: int = 0
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """The ids of all texts, and where each text begins in them; one more place for the end."""
    def nbest(self, text: str, n: int) -> list[tuple[list[int], float]]: ...
    def sample(self, text: str, alpha: float, seed: int, nbest: int) -> list[int]: ...
    def log_likelihood(self, text: str, best_only: bool) -> float: ...

def first_invalid(data: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> int:
    """The number of the first of the texts data[begins[n] : ends[n]] that is not UTF-8, or how many there are."""

def hashes(
    data: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """BLAKE2b of each text, eight bytes long, as a big-endian number."""

class CountedWords:
    """Different words with their counts, in the order of their first appearance."""

    def __len__(self) -> int: ...
    def items(self) -> list[tuple[bytes, int]]: ...
    @property
    def missing(self) -> int:
        """With a memory cap: at most so many occurrences of any one word are not in its count."""

    @property
    def forgotten(self) -> int:
        """With a memory cap: how many times a word was forgotten."""

class WordCounter:
    """Counts words in threads; `max_memory` in bytes, 0 for no cap. For the spaces see native/spaces.hpp."""

    def __init__(
        self,
        pattern: str,
        threads: int = 0,
        max_memory: int = 0,
        *,
        lines: bool = False,
        collapse_spaces: bool = False,
        prefix_space: bool = False,
        mark: bool = False,
        names: list[str] = ...,
    ) -> None: ...
    def add_rows(self, data: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> None:
        """Count the texts data[begins[n] : ends[n]], each cut on its own."""

    def add(self, texts: list[str] | list[bytes]) -> None:
        """Count texts, each cut on its own; a str with a lone surrogate raises UnicodeEncodeError."""

    def add_word(self, word: bytes, count: int) -> None:
        """Add a word counted elsewhere, uncut."""

    def finish(self) -> CountedWords:
        """All words; the counter is empty afterwards."""

def learn_merges(
    words: list[tuple[list[int], int]], symbols: int, most: int, tie: str, min_frequency: int = 1, longest: int = 0
) -> list[tuple[int, int]]:
    """Merges of words of symbols 0 to symbols - 1, by tie rule "place" or "ids"; merge n makes symbol symbols + n."""

def learn_from_bytes(
    words: CountedWords,
    alphabet: bytes,
    pieces: int,
    tie: str,
    *,
    min_frequency: int = 1,
    longest: int = 0,
    barred: list[str] = ...,
) -> tuple[list[bytes], list[tuple[int, int]], list[int]]:
    """Alphabet, merges, and how often each pair occurred: words as bytes, numbered as they stand in `alphabet`."""

def learn_from_characters(
    words: CountedWords,
    pieces: int,
    tie: str,
    *,
    min_frequency: int = 1,
    longest: int = 0,
    barred: list[str] = ...,
    coverage: float = 1.0,
    required: str = "",
    excluded: str = "",
    by_frequency: bool = False,
    piece_rules: bool = False,
    split_by_script: bool = True,
    split_by_number: bool = True,
    split_digits: bool = False,
) -> tuple[list[bytes], list[tuple[int, int]], list[int]]:
    """Alphabet, merges, and how often each pair occurred: words as characters, the rare ones left out."""

# word vectors

def cut_words(rule: str, text: bytes) -> list[bytes]:
    """The words of UTF-8 text by the rule of this name ("letters", "words", "spaces"), without what stands between."""

def count_words(counter: WordCounter, rule: str, texts: list[str]) -> None:
    """Adds the words of texts to a counter of pattern "none"."""

def frequent_words(counted: CountedWords, least: int) -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """The words that occur so often or more, with their counts, the most frequent first."""

class WordIds:
    """The words that are kept. Raises ValueError where one stands there twice."""

    def __init__(self, words: list[bytes]) -> None: ...
    def ids(self, rule: str, texts: list[str], threads: int = 0) -> npt.NDArray[np.int32]:
        """The number of each word of the texts, -2 for one that is not kept, and -1 after each text."""

class PairCounter:
    """Counts words that follow each other."""

    def __init__(self, most_pairs: int = 4194303) -> None: ...
    def add(self, ids: npt.NDArray[np.int32]) -> None:
        """The next stretch of a stream of ids."""
    def phrases(self, counts: npt.NDArray[np.int64], least: int, threshold: float) -> list[tuple[int, int]]:
        """The pairs that score above the threshold, in rising order."""

class PhraseJoiner:
    """Puts the number `first` + n in place of the two words of phrase n."""

    def __init__(self, phrases: list[tuple[int, int]], first: int) -> None: ...
    def join(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The next stretch of a stream of ids; the last of them may be kept back until the next call."""

def subword_buckets(
    words: list[bytes], shortest: int, longest: int, buckets: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Where the n-grams of each word begin (one more place for the end), and the bucket of each n-gram."""

def embed_kernels() -> list[str]:
    """The kinds of arithmetic that this processor can run, the best first."""

EMBED_BLOCK: int
"""Ids in a block of training."""
EMBED_LANES: int
"""Blocks that deterministic training reads side by side."""

class Trained:
    """What a stretch of training saw."""

    words: int
    centres: int
    loss: float
    pairs: int

class EmbedModel:
    """The matrices of word vectors, and their training. Raises ValueError where the parts do not fit together."""

    def __init__(
        self,
        counts: npt.NDArray[np.int64],
        subword_starts: npt.NDArray[np.int64],
        subword_buckets: npt.NDArray[np.uint32],
        buckets: int,
        *,
        cbow: bool,
        hierarchical: bool,
        dim: int,
        window: int,
        negative: int,
        sample: float,
        rate: float,
        epochs: int,
        seed: int,
        kernels: str = "",
    ) -> None: ...
    @property
    def input(self) -> npt.NDArray[np.float32]:
        """The rows of words, then of buckets, as they lie in memory: filled up by zeros to a multiple of 16."""
    @property
    def output(self) -> npt.NDArray[np.float32]:
        """The rows of words, or of the nodes of the Huffman tree."""
    def vectors(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """The vectors of the words from `first` to before `last`."""
    def step(
        self,
        words: npt.NDArray[np.int32],
        first: int,
        windows: npt.NDArray[np.uint32],
        negatives: npt.NDArray[np.int32],
        rate: float,
    ) -> tuple[float, int]:
        """Makes the update of one batch; its loss, and its pairs."""
    def train(
        self,
        ids: npt.NDArray[np.int32],
        epoch: int,
        first: int,
        blocks: int,
        *,
        threads: int = 0,
        deterministic: bool = False,
    ) -> Trained:
        """Trains on the blocks of an epoch from `first` on, which these ids are; there are `blocks` in all."""
    def path(self, word: int) -> list[tuple[int, int]]:
        """The nodes and codes from the root of the Huffman tree to a word."""
    def negative_probabilities(self) -> list[float]:
        """With which probability each word is drawn."""
    def kept_shares(self) -> list[float]:
        """Which share of its occurrences of each word is read."""

Pairs = npt.NDArray[np.uint32]
"""Rows (n, 3) of the numbers of two words, the smaller first, and the bits of a float, their weight."""

class CooccurrenceCounter:
    """How often words stand near each other. Raises ValueError for what cannot be counted, RuntimeError for a disk."""

    def __init__(self, words: int, window: int, *, memory: int, threads: int, runs_path: str) -> None: ...
    def add(self, ids: npt.NDArray[np.int32]) -> None:
        """Counts a stretch of a stream of ids."""
    def finish(self, path: str) -> int:
        """Writes all pairs into a file, and says how many they are."""
    @property
    def runs(self) -> int:
        """How often memory was full, and what it held written to disk."""

class GloveModel:
    """The rows of GloVe, and their training."""

    def __init__(self, words: int, dim: int, *, rate: float, x_max: float, seed: int, kernels: str = "") -> None: ...
    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """[w, b, 1, 0 ...] for each word, [c, 1, d, 0 ...] for each, and the squares of both."""
    def step(self, word: int, context: int, weight: float) -> float:
        """The update for one pair in one direction; its loss before."""
    def train(self, pairs: Pairs, epoch: int, chunk: int, threads: int = 0) -> Trained:
        """Trains on a chunk of pairs, shuffled."""
    def vectors(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """w + c of the words from `first` to before `last`."""

def fill_rows(
    pairs: Pairs, ends: npt.NDArray[np.int64], columns: npt.NDArray[np.uint32], logs: npt.NDArray[np.float32]
) -> None:
    """Puts pairs into the rows of both their words, at `ends`, which moves on."""

def ppmi_product(
    starts: npt.NDArray[np.int64],
    columns: npt.NDArray[np.uint32],
    logs: npt.NDArray[np.float32],
    of_row: npt.NDArray[np.float32],
    of_column: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
    threads: int = 0,
) -> npt.NDArray[np.float32]:
    """The matrix of max(0, logs - of_row - of_column) times x (V, l); filled up to a multiple of 16 columns."""
