"""`embed`: words as vectors, learnt from the training part of a corpus; or what a language model makes of its words."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, Literal

from idiolect.artifact import Artifact, Recipe
from idiolect.config import verb
from idiolect.embeddings.cooccurrence import Cooccurrences
from idiolect.embeddings.glove import glove_memory_needed, learn_glove
from idiolect.embeddings.learning import Kind, LearningSettings, Learnt, State, learn, memory_needed, memory_used
from idiolect.embeddings.phrases import join_phrases
from idiolect.embeddings.ppmi import CountSettings, ppmi_vectors
from idiolect.embeddings.subwords import check_lengths, enough_buckets
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import Rule, RuleWords, TokenWords, Words, WordStream
from idiolect.errors import UsageError
from idiolect.journal import amount, duration, say
from idiolect.making import check_target, create, unchanged
from idiolect.stages.embed_page import embed_page
from idiolect.text.corpus import Corpus
from idiolect.text.settings import ReadingSettings
from idiolect.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class WordSettings:
    """Words."""

    words: Rule = "letters"
    """What a word is: letters and the apostrophes between them; also digits, and hyphens between them; or whatever
    stands between spaces."""
    lowercase: bool = True
    """Make capitals small letters first."""
    tokenizer: Path | None = None
    """Folder of a tokenizer, whose tokens are the words instead."""
    min_count: int = 5
    """A word that occurs less often is left out."""

    phrases: int = 0
    """Passes that join words which often follow each other into one: new_york. 2 or 3 make longer phrases."""
    phrase_threshold: float = 100.0
    """How many times as often as by chance two words must follow each other to be a phrase."""

    def maker(self, threads: int) -> Words:
        """What makes the words that are asked for."""
        self.check_words()
        if self.tokenizer is not None:
            return TokenWords(Tokenizer.load(self.tokenizer), threads=threads)
        return self.cutter(threads)

    def cutter(self, threads: int) -> RuleWords:
        """What cuts text into words by the rule."""
        return RuleWords(self.words, lowercase=self.lowercase, threads=threads)

    def check_words(self) -> None:
        """Raises UsageError for a value out of range."""
        if self.min_count < 1:
            raise UsageError(f"'min_count' must be at least 1, not {self.min_count}.")
        if not 0 <= self.phrases <= 10 or not self.phrase_threshold > 0:
            raise UsageError("phrases are joined in 0 to 10 passes, with a threshold above 0.")


@dataclass(frozen=True)
class ContextSettings:
    """Contexts."""

    model: Path | None = None
    """Contextual: folder of the language model that reads the text, ours or Hugging Face's."""
    max_words: int = 20_000
    """Contextual: how many words have a vector at most, the most frequent."""


_PREDICTING = ("loss", "negative", "sample", "subwords", "buckets")
_COUNTING = ("max_memory", "x_max", "shift", "eigenvalue_power")
_READING = ("model", "max_words")
UNFIT: Final[dict[Kind, tuple[str, ...]]] = {
    "skipgram": (*_COUNTING, *_READING),
    "cbow": (*_COUNTING, *_READING),
    "glove": (*_PREDICTING, "shift", "eigenvalue_power", *_READING),
    "ppmi": (*_PREDICTING, "epochs", "lr", "x_max", "checkpoint_every", *_READING),
    "contextual": (
        *_PREDICTING,
        *_COUNTING,
        *("epochs", "window", "lr", "seed", "deterministic"),
        *("tokenizer", "phrases", "phrase_threshold"),
    ),
}
"""Settings that mean nothing to a kind."""


@dataclass(frozen=True)
class EmbedSettings(LearningSettings, CountSettings, ContextSettings, WordSettings, ReadingSettings):
    """Vectors."""

    kind: Kind = "skipgram"
    """What learns: predict the words around each word (skipgram), or each word from the mean of those around it (cbow);
    match the logarithms of how often words meet (glove); take apart how much more often than by chance they do (ppmi),
    which nothing trains; or average a language model's hidden states of each word (contextual)."""
    subwords: str = ""
    """Lengths of the character n-grams that words are also made of, as in fastText: 3-6. Unseen words have vectors
    then."""
    buckets: int = 0
    """Buckets for the n-grams; 0: twice as many as there are different n-grams, at most fastText's 2,000,000."""

    def __post_init__(self) -> None:
        LearningSettings.__post_init__(self)
        CountSettings.__post_init__(self)
        defaults = {field.name: field.default for field in fields(self)}
        for name in UNFIT[self.kind]:
            if getattr(self, name) != defaults[name]:
                fits = ", ".join(kind for kind, names in UNFIT.items() if name not in names)
                raise UsageError(f"'{name}' means nothing to {self.kind}, only to {fits}: leave it out.")
        if self.kind == "contextual" and self.model is None:
            raise UsageError("Contextual vectors are made by a language model: name its folder by --model.")
        if self.max_words < 2:
            raise UsageError(f"'max_words' must be at least 2, not {self.max_words}.")
        if self.buckets < 0:
            raise UsageError(f"'buckets' must be at least 0, not {self.buckets}.")
        if self.buckets and not self.subwords:
            raise UsageError("--buckets are for n-grams: give their lengths, such as --subwords 3-6.")
        if self.subwords:
            self.lengths()

    def lengths(self) -> tuple[int, int]:
        """Characters of the shortest and the longest n-gram."""
        found = re.fullmatch(r"(\d{1,3})-(\d{1,3})", self.subwords)
        if not found:
            raise UsageError(f"'subwords' are the lengths of n-grams, such as 3-6, not '{self.subwords}'.")
        check_lengths(int(found[1]), int(found[2]))
        return int(found[1]), int(found[2])


@verb
def embed(texts: Sequence[str], settings: EmbedSettings, *, out: Path, force: bool = False) -> Vectors:
    """Learn a vector for each word of a text.

    Stopped at any instant, the same command resumes it.

    Example:
        >>> vectors = idiolect.embed(["letters/"], dim=100, epochs=5, out="vectors")
        >>> vectors.neighbours("king")
        >>> idiolect.embed(["letters/"], kind="contextual", model="model", out="contexts")
    """
    if settings.kind == "contextual":
        return _average(texts, settings, out, force)
    settings = settings.of_kind(settings.kind)
    words = settings.maker(settings.threads)
    corpus = settings.corpus(texts)
    parents = {"corpus": corpus.provenance()}
    if settings.tokenizer is not None:
        parents["tokenizer"] = Artifact.open(settings.tokenizer, "tokenizer").provenance()
    one_result = settings.deterministic or settings.kind in ("glove", "ppmi")  # whatever the number of threads
    made_by = replace(settings, threads=0) if one_result else settings
    recipe = Recipe("vectors", made_by, parents)
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return Vectors.load(out)
    check_target(out, recipe, force=force, resume=True)  # before the long part
    with create(out, recipe, force=force, resume=True) as folder:
        stream = _stream(folder / "ids", corpus, words, settings)
        pairs, singular_D = None, None
        match settings.kind:
            case "skipgram" | "cbow":
                learnt = _predict(stream, settings, folder)
            case "glove":
                pairs = _pairs(stream, settings, folder)
                _say_what(stream, settings, glove_memory_needed(pairs.words, settings.dim))
                learnt = learn_glove(pairs, settings, folder)
            case "ppmi":
                pairs = _pairs(stream, settings, folder)
                began = time.perf_counter()
                matrix_VD, singular_D = ppmi_vectors(
                    pairs, settings, folder / "ids", dim=settings.dim, seed=settings.seed, threads=settings.threads
                )
                learnt = Learnt(matrix_VD, None, State(seconds=time.perf_counter() - began), memory_used())
            case "contextual":
                raise AssertionError("a language model makes those")
        vectors = Vectors(
            stream.vocabulary.words,
            learnt.matrix_VD,
            stream.vocabulary.counts,
            learnt.subwords,
            kind=settings.kind,
            tokenizer=words.tokenizer,
        )
        vectors.save(folder)
        embed_page(vectors, stream, learnt, pairs, singular_D, folder, recipe, out).write(folder / "report.html")
    say(f"Learnt vectors of {len(vectors):,} words in {duration(learnt.state.seconds)} into {out}.")
    return Vectors.load(out)


def _average(texts: Sequence[str], settings: EmbedSettings, out: Path, force: bool) -> Vectors:
    """Vectors that a language model makes of the words that it reads."""
    from idiolect.stages.asking import provenance  # these bring torch, which all other kinds do without
    from idiolect.stages.contexts import Reader, average_contexts, contexts_page

    assert settings.model is not None, "the settings have one"
    settings.check_words()
    reader = Reader.load(settings.model)
    width = reader.model.spec.dim
    if settings.dim not in (LearningSettings.dim, width):
        raise UsageError(f"'dim' is the width of the model here, {width}: leave it out.")
    corpus = settings.corpus(texts)
    parents = {"corpus": corpus.provenance(), "model": provenance(settings.model)}
    recipe = Recipe("vectors", replace(settings, dim=width), parents)
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return Vectors.load(out)
    check_target(out, recipe, force=force, resume=True)  # before the long part
    with create(out, recipe, force=force, resume=True) as folder:
        averaged = average_contexts(
            reader,
            corpus,
            settings.cutter(settings.threads),
            folder,
            min_count=settings.min_count,
            max_words=settings.max_words,
            threads=settings.threads,
            checkpoint_every=settings.checkpoint_every,
        )
        averaged.vectors.save(folder)
        contexts_page(averaged, folder, recipe, out).write(folder / "report.html")
    say(f"Averaged vectors of {len(averaged.vectors):,} words in {duration(averaged.state.seconds)} into {out}.")
    return Vectors.load(out)


def _stream(folder: Path, corpus: Corpus, words: Words, settings: EmbedSettings) -> WordStream:
    """The words of the corpus as ids, as far as an unfinished run left them; each pass over phrases in a folder."""
    done = settings.phrases
    while (stream := WordStream.open(folder / str(done))) is None and done > 0:
        done -= 1
    if stream is None:
        say("Counting words.")
        stream = WordStream.write(folder / "0", corpus, words, settings.min_count)
    for number in range(done + 1, settings.phrases + 1):
        before = len(stream.vocabulary)
        joined = folder / str(number)
        stream = join_phrases(stream, joined, threshold=settings.phrase_threshold, least=settings.min_count)
        shutil.rmtree(folder / str(number - 1))
        say(f"Joined phrases, pass {number}: {before:,} words became {len(stream.vocabulary):,}.")
    if stream.vocabulary.missing:
        say(
            f"There are more different words than memory is given to: of any one word, at most "
            f"{stream.vocabulary.missing:,} occurrences are missing from its count."
        )
    return stream


def _pairs(stream: WordStream, settings: EmbedSettings, folder: Path) -> Cooccurrences:
    """How often the words meet, as far as an unfinished run has not counted it."""
    say(f"Counting which words meet within {settings.window} words.")
    pairs = Cooccurrences.count(
        folder / "ids" / "pairs",
        stream,
        window=settings.window,
        memory=settings.max_memory,
        threads=settings.threads,
    )
    spilt = f"; memory was full {pairs.runs:,} times, and the disk took what it held" if pairs.runs else ""
    say(f"{pairs.length:,} different pairs of words meet{spilt}.")
    return pairs


def _predict(stream: WordStream, settings: EmbedSettings, folder: Path) -> Learnt:
    subwords = None
    if settings.subwords:
        minn, maxn = settings.lengths()
        subwords = (minn, maxn, settings.buckets or enough_buckets(stream.vocabulary.words, minn, maxn))
    _say_what(stream, settings, memory_needed(len(stream.vocabulary), settings, subwords[2] if subwords else 0))
    kind: Literal["skipgram", "cbow"] = "cbow" if settings.kind == "cbow" else "skipgram"
    return learn(stream, settings, folder, kind=kind, subwords=subwords)


def _say_what(stream: WordStream, settings: EmbedSettings, memory: int) -> None:
    vocabulary = stream.vocabulary
    say(
        f"Learning vectors of {len(vocabulary):,} words from {vocabulary.counts.sum():,} words of text, "
        f"{settings.epochs} times; the matrices take {amount(memory)}."
    )
