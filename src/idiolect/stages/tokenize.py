"""`tokenize`: learn a tokenizer from the training part of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from idiolect.artifact import Recipe
from idiolect.config import verb
from idiolect.disk import file_record
from idiolect.engine import Engine
from idiolect.errors import TokenizerError
from idiolect.journal import say
from idiolect.making import create, unchanged
from idiolect.stages.tokenizer_page import forgotten, tokenizer_page
from idiolect.text.settings import ReadingSettings
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.bpe_learning import BpeOptions, Learning, learn_bpe
from idiolect.tokenizers.counting import counted_in_file
from idiolect.tokenizers.inspect import explain
from idiolect.tokenizers.learning import train_tokenizer
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer
from idiolect.tokenizers.unigram_learning import UnigramOptions, learn_unigram
from idiolect.tokenizers.words import WordTokenizer


@dataclass(frozen=True)
class TokenizeSettings(ReadingSettings):
    """Tokenizer."""

    kind: Literal["bpe", "unigram", "words", "whitespace", "characters", "bytes"] = "bpe"
    """What tokens are: merges, the likeliest pieces, the most frequent words (by rule, or between spaces), characters,
    bytes."""
    vocab_size: int = 8000
    """Ids in all, special tokens and the 256 bytes included; for words and characters, the most there may be."""
    pattern: Literal["gpt2", "cl100k", "o200k", "llama3", "qwen2", "whitespace", "metaspace", "none"] = "gpt2"
    """BPE: how text is cut before pairs are merged; "none" for text written without spaces. Ties "sentencepiece" cuts
    at spaces."""
    ties: Literal["first", "huggingface", "rustbpe", "sentencepiece"] = "first"
    """BPE: which of equally frequent pairs is merged: the one met first, or as that tool has it, with its merges."""
    mode: Literal["fast", "sentencepiece"] = "fast"
    """Unigram: whose arithmetic: the faster and likelier, or SentencePiece's own."""
    user_defined: tuple[str, ...] = ()
    """Unigram: pieces that are taken wherever they stand in a text; nothing is learnt across them."""
    split_by_script: bool = True
    """Unigram: a piece has letters of one script only."""
    split_by_number: bool = True
    """Unigram: a piece has no digits beside letters."""
    split_digits: bool = False
    """Unigram: each digit is a piece by itself."""
    seeds: int = 0
    """Unigram: substrings to start from; 0 for the usual: 8 for each piece (SentencePiece's mode: 1,000,000)."""
    shrinking: float = 0.75
    """Unigram: the share of the pieces that a pruning keeps."""
    sub_iterations: int = 0
    """Unigram: steps of expectation-maximisation between prunings; 0 for the usual: 1 (SentencePiece's mode: 2)."""
    num_threads: int = 16
    """Unigram in SentencePiece's mode: the threads that it was given, on which its sums depend."""
    max_sentence_length: int = 4192
    """Unigram in SentencePiece's mode: longer lines, in bytes, are left out; 0 for no limit."""
    symbols: Literal["bytes", "characters"] = "bytes"
    """BPE: what words start as. Ties "sentencepiece" starts from characters."""
    min_frequency: int = 1
    """BPE: a pair that occurs less often is not merged."""
    max_token_length: int = 0
    """Bytes or characters that a token may have; 0 for no limit (ties "sentencepiece" and unigram: 16)."""
    coverage: float = 0.0
    """Of characters: the share of the text that the alphabet covers; 0 for the usual: all (ties "sentencepiece" and
    unigram: 0.9995)."""
    required_characters: str = ""
    """Of characters: those that are in the alphabet whatever their frequency."""
    byte_fallback: bool = True
    """Of characters: whether one outside the alphabet is written as its bytes rather than as unknown."""
    normalize: Literal["none", "nfc", "nfkc", "nfd", "nfkd"] = "none"
    """Unicode normal form that text is brought to before it is cut."""
    lowercase: bool = False
    """Make capitals small letters before text is cut."""
    rules: Path | None = None
    """SentencePiece model whose table of rules is applied to text before it is cut."""
    max_memory: int = 0
    """BPE: bytes that the table of counted words may take; the rarest words are forgotten then. 0 for no limit."""
    engine: Engine = "threads"
    """BPE: where words are counted: threads of this process, or a Ray cluster (RAY_ADDRESS; without it, this
    machine)."""
    counts: Path | None = None
    """File of words counted elsewhere to learn from: a JSON object, or lines of word, tab, count. TEXT then serves only
    for the figures of the report."""
    explain: str = ""
    """Words on which to show, step by step, what was learnt; for unigram, the pieces of a text with spaces between
    them."""
    against: tuple[str, ...] = ()
    """Other tokenizers to compare with in the report: a folder or file, or PATTERN=FILE where the file does not say how
    it cuts (cl100k=ranks.tiktoken)."""
    by: str = "source"
    """Field of the documents by which the report tells the figures apart: source, or a field such as language."""

    def bpe(self) -> BpeOptions:
        """The options of BPE, checked."""
        of_characters = self.symbols == "characters" or self.ties == "sentencepiece"
        return BpeOptions(
            vocab_size=self.vocab_size,
            pattern=self.pattern,
            ties=self.ties,
            symbols=self.symbols,
            min_frequency=self.min_frequency,
            max_token_length=self.max_token_length,
            coverage=self.coverage,
            required_characters=self.required_characters,
            byte_fallback=self.byte_fallback and of_characters,
            normalizer=Normalizer(form=self.normalize, lowercase=self.lowercase, charsmap=self.charsmap),
            max_memory=self.max_memory,
            engine=self.engine,
        )

    def unigram(self) -> UnigramOptions:
        """The options of the unigram model, checked."""
        plain = UnigramOptions(vocab_size=self.vocab_size, mode=self.mode, byte_fallback=self.byte_fallback)
        spaces = plain.spaces
        return UnigramOptions(
            vocab_size=self.vocab_size,
            mode=self.mode,
            byte_fallback=self.byte_fallback,
            coverage=self.coverage or plain.coverage,
            required_characters=self.required_characters,
            max_piece_length=self.max_token_length or plain.max_piece_length,
            user_defined=self.user_defined,
            split_by_script=self.split_by_script,
            split_by_number=self.split_by_number,
            split_digits=self.split_digits,
            seeds=self.seeds,
            shrinking=self.shrinking,
            sub_iterations=self.sub_iterations,
            num_threads=self.num_threads,
            max_sentence_length=self.max_sentence_length,
            normalizer=Normalizer(
                form=self.normalize,
                lowercase=self.lowercase,
                charsmap=self.charsmap,
                collapse_spaces=spaces.collapse_spaces,
                prefix_space=True,
                mark=True,
            ),
        )

    @property
    def charsmap(self) -> bytes:
        """The table of rules that is asked for."""
        if self.rules is None:
            return b""
        model = Tokenizer.load(self.rules)
        table = model.normalizer.charsmap if isinstance(model, BytePairTokenizer | UnigramTokenizer) else b""
        if not table:
            raise TokenizerError(f"{self.rules} has no table of rules: give a SentencePiece model that normalizes.")
        return table

    def others(self) -> dict[str, Tokenizer]:
        """The tokenizers to compare with, by the name of their file."""
        found = {}
        for named in self.against:
            pattern, equals, path = named.rpartition("=")
            found[Path(path).name] = Tokenizer.load(path, pattern if equals else None)
        return found


@verb
def tokenize(texts: Sequence[str], settings: TokenizeSettings, *, out: Path, force: bool = False) -> Tokenizer:
    """Learn a tokenizer from text.

    Example:
        >>> tokenizer = idiolect.tokenize(["letters/"], kind="bpe", vocab_size=8000, out="tok")
    """
    corpus = settings.corpus(texts)
    options = _options(settings)
    parents = {"corpus": corpus.provenance()}
    for role, file in (("counts", settings.counts), ("rules", settings.rules)):
        if file is not None:
            parents[role] = _provenance(role, file)
    recipe = Recipe("tokenizer", replace(settings, explain=""), parents)  # what is shown changes nothing that is made
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        tokenizer = Tokenizer.load(out)
        _explain(tokenizer, settings.explain)
        return tokenizer
    others = settings.others()
    learning: Learning | None = None
    with create(out, recipe, force=force) as folder:
        words = None if settings.counts is None else counted_in_file(settings.counts)
        match options:
            case BpeOptions():
                learning = learn_bpe(corpus if words is None else words, options)
                tokenizer = learning.tokenizer
            case UnigramOptions():
                counted = None if words is None else ((word.decode(), count) for word, count in words.items())
                tokenizer = learn_unigram(corpus if counted is None else counted, options)
            case None:
                tokenizer = train_tokenizer(corpus, kind=settings.kind, vocab_size=settings.vocab_size, options={})
        tokenizer.save(folder)
        report = tokenizer_page(tokenizer, learning, others, corpus, settings.by, recipe, out)
        report.write(folder / "report.html")
    say(f"Learnt a tokenizer of {tokenizer.vocab_size:,} tokens into {out}.")
    if isinstance(tokenizer, WordTokenizer):
        say("Words it does not know become <|unknown|>, and decoding joins words by single spaces: it is not lossless.")
    if learning is not None and learning.forgotten:
        say(forgotten(learning))
    _explain(tokenizer, settings.explain)
    return tokenizer


def _options(settings: TokenizeSettings) -> BpeOptions | UnigramOptions | None:
    """The options of the family, checked before anything is read; None where it has none."""
    if settings.kind == "bpe":
        return settings.bpe()
    if settings.kind == "unigram":
        return settings.unigram()
    for option in ("counts", "explain", "rules"):
        if getattr(settings, option):
            raise TokenizerError(
                f"Only BPE and unigram know --{option}: leave it out, or choose --kind bpe or unigram."
            )
    return None


def _explain(tokenizer: Tokenizer, words: str) -> None:
    """What was learnt, on a few words, on standard output."""
    for line in explain(tokenizer, words) if words else ():
        print(line)


def _provenance(role: str, file: Path) -> dict[str, object]:
    """What stands for a file in the manifest, as `Corpus.provenance` does for text."""
    try:
        record = file_record(file)
    except OSError as error:
        raise TokenizerError(f"{file} cannot be read: {error.strerror or error}.") from None
    return {"kind": role, "name": file.name, "digest": record["sha256"], "files": [record]}
