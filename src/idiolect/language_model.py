"""`LanguageModel`: a model with its tokenizer, the object people hold. It speaks in text; tensors stay inside.

Loading costs one reading of the folder and one pass over the vocabulary, to see that the tokenizer is the model's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Unpack

from torch import Tensor

from idiolect.embeddings.contextual import Pooling, embed
from idiolect.embeddings.of_models import Side, token_vectors
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.word_contexts import contextual_vectors
from idiolect.embeddings.words import Rule
from idiolect.errors import ModelError, UsageError
from idiolect.evaluation.perplexity import token_log_probs_batch
from idiolect.generate.autocomplete import Unit, Vocabulary, autocomplete, take_back
from idiolect.generate.beam import beam_search
from idiolect.generate.choices import ending_log_probs
from idiolect.generate.engine import generate, generate_batch
from idiolect.generate.filling import Filled, fill
from idiolect.generate.sampling import Sampling, SamplingOptions
from idiolect.generate.texts import Choice, Scored, common_length, pieces, stop_strings, whole_text
from idiolect.hub import folder_of
from idiolect.model_folder import check_fit, load_folder, save_folder
from idiolect.models.config_json import TokenIds
from idiolect.models.model import Model
from idiolect.models.spec import Spec
from idiolect.tokenizers.base import Tokenizer


class LanguageModel:
    """A model that completes text and says how likely text is.

    Example:
        >>> model = LanguageModel.load("model")
        >>> model.complete("To be", max_tokens=5, seed=1)
        ', or not to be'
        >>> model.log_prob("To be or not").sum()          # ln p of the whole
        tensor(-9.1372, dtype=torch.float64)
    """

    model: Model
    tokenizer: Tokenizer

    tokens: TokenIds
    """Which ids begin and end texts, where the folder it was read from says more than the tokenizer does."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        tokens: TokenIds = TokenIds(),  # noqa: B008  it cannot change
    ) -> None:
        """Raises TokenizerError when the tokenizer has ids that the model has no place for, and ModelError for a model
        that gives labels."""
        if model.spec.head is not None:
            raise ModelError("This model gives labels, not text: load it by idiolect.TextClassifier.load.")
        check_fit(model, tokenizer)
        self.model = model
        self.tokenizer = tokenizer
        self.tokens = tokens
        self._vocabularies: dict[Unit, Vocabulary] = {}  # made when first needed

    @property
    def spec(self) -> Spec:
        """The model's shape."""
        return self.model.spec

    @classmethod
    def load(cls, folder: str | Path) -> LanguageModel:
        """Read a model folder: one of this package's, or Hugging Face's of a kind it knows; dropout is off.

        Raises:
            ModelError: the folder is not a model's, is damaged, or of an unknown kind.
            TokenizerError: its tokenizer cannot be read, or is another one than the model was trained with. A folder
                that does not record its tokenizer's fingerprint (Hugging Face's own) is only checked for size.
        """
        return cls(*load_folder(Path(folder)))

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> LanguageModel:
        """Read a model folder, or download one from the Hugging Face hub; a folder of this name wins.

        Args:
            name: a folder, or a name as the hub has it. Of the hub only configuration, safetensors and tokenizer are
                downloaded, by the optional package `huggingface_hub`.
            revision: which of the hub's versions: a commit, a tag or a branch; None: the newest.

        Raises:
            UsageError: there is no such folder, and the package is missing or the name is none of the hub's.
            ModelError, TokenizerError: as `load`; or the download failed.

        Example:
            >>> model = LanguageModel.from_pretrained("openai-community/gpt2")
            >>> model.complete("Once upon a time", max_tokens=20)
        """
        return cls.load(folder_of(name, revision))

    def save_pretrained(self, folder: str | Path) -> None:
        """What `save` does, by the name that users of `transformers` look for."""
        self.save(folder)

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load`, and Hugging Face's `transformers` (`AutoModel…`, `AutoTokenizer`), read.

        A shape that no architecture of theirs has is written as our own, which only this package reads. The folder
        holds the weights, the tokenizer and its fingerprint, and a model card. The folder is made where it is
        missing; files of an earlier save are replaced.

        Raises:
            ArtifactError: the folder cannot be written, or has a README.md that is not a model card of this package.
        """
        save_folder(self.model, self.tokenizer, self.tokens, Path(folder))

    def complete(
        self,
        prompt: str,
        *,
        max_tokens: int = 50,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> str:
        """The text that follows a prompt (without the prompt).

        Args:
            prompt: read as it is, nothing put before it; an empty one stands for the beginning of a document. The
                model reads at most the last `spec.context` tokens of it.
            max_tokens: the most tokens to add, 1 or more; fewer come when the model ends the document. A character
                left unfinished by the last token is left out.
            stop: the text ends before the first of these strings.
            seed: the same seed gives the same text on the same machine; None: different every time.
            sampling: `temperature` (0.8), `top_k` (0: all), `top_p` (1.0), `min_p` (0.0) and `repetition_penalty`
                (1.0), as `Sampling` describes them.

        Raises:
            UsageError: a number out of range, or an empty stop string.
            TokenizerError: the prompt has characters that a character tokenizer does not know.

        Example:
            >>> model.complete("O Romeo,", max_tokens=100, temperature=0.7, top_p=0.95, stop="\\n\\n")
            ' Romeo! wherefore art thou Romeo?'
        """
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop, seed=seed, **sampling))

    def completions(
        self,
        prompt: str,
        samples: int,
        *,
        max_tokens: int = 50,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> list[str]:
        """Several independent completions of a prompt, drawn together; the arguments are those of `complete`.

        With a seed, the first is what `complete` gives, and asking for more leaves the ones before as they were.

        Example:
            >>> model.completions("To be", 3, max_tokens=4, seed=1)
            [', or not', ' a king', ' gone, my']
        """
        texts = [""] * samples
        for sample, piece in self._pieces(prompt, range(samples), max_tokens, stop, seed, Sampling(**sampling)):
            texts[sample] += piece
        return texts

    def stream(
        self,
        prompt: str,
        *,
        max_tokens: int = 50,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
        sample: int = 0,
        **sampling: Unpack[SamplingOptions],
    ) -> Iterator[str]:
        """The pieces of a completion as they come; the arguments are those of `complete`, and joined they are its text.

        `sample` chooses another of the seed's completions: joined, the pieces are `completions(…)[sample]`.

        A piece is never empty, never has half a character, and never anything of a stop string: what might turn out to
        be the beginning of one is held back until it is clear.

        Example:
            >>> for piece in model.stream("To be"):
            ...     print(piece, end="", flush=True)
        """
        pieces = self._pieces(prompt, [sample], max_tokens, stop, seed, Sampling(**sampling))
        return (piece for _, piece in pieces)

    def complete_batch(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int = 50,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
        batch_rows: int = 32,
        **sampling: Unpack[SamplingOptions],
    ) -> list[str]:
        """What `complete` gives for each prompt, several times faster: `batch_rows` of them are continued together.

        With a seed every prompt draws from the same random numbers, as it does alone, whatever stands beside it.

        Example:
            >>> model.complete_batch(["To be", "O Romeo,"], max_tokens=4, seed=1)
            [', or not', ' Romeo! wherefore']
        """
        ended: set[int] = set()
        steps = generate_batch(
            self.model,
            [self._read(prompt) for prompt in prompts],
            sampling=Sampling(**sampling),
            max_tokens=max_tokens,
            seed=secrets.randbits(63) if seed is None else seed,
            stop_ids=self._ends,
            batch_rows=batch_rows,
            ended=ended,
        )
        texts = [""] * len(prompts)
        for number, piece in pieces(self.tokenizer, steps, stop_strings(range(len(prompts)), stop), ended):
            texts[number] += piece
        return texts

    def beam_search(
        self, prompt: str, *, beams: int = 4, nbest: int = 1, max_tokens: int = 50, length_penalty: float = 0.6
    ) -> list[Scored]:
        """The likeliest completions that a beam search finds, best first; nothing is drawn.

        Args:
            prompt, max_tokens: as in `complete`.
            beams: how many continuations are kept at each step; 1 is greedy.
            nbest: how many to give, at most `beams`.
            length_penalty: 0 ranks by probability, which favours the short; 1 nearly by probability per token
                (Wu et al. 2016, section 7).

        Raises:
            UsageError: a number out of range.

        Example:
            >>> model.beam_search("To be", nbest=2, max_tokens=3)
            [Scored(text=', or not', score=-0.9, log_prob=-1.07), Scored(text=' a king', score=-2.2, log_prob=-2.6)]
        """
        found = beam_search(
            self.model,
            self._read(prompt),
            beams=beams,
            nbest=nbest,
            max_tokens=max_tokens,
            stop_ids=self._ends,
            length_penalty=length_penalty,
        )
        return [Scored(whole_text(self.tokenizer, one.ids), one.score, one.log_prob) for one in found]

    def embed(self, texts: Sequence[str], *, pooling: Pooling = "mean") -> Tensor:
        """A vector for each text (N, D), in fp32 on the CPU: its hidden states made one.

        Args:
            texts: each at most a context long.
            pooling: "mean" of all positions; "cls", the first, which an encoder trained on pairs uses for the text;
                or "last", in which a decoder has seen all of the text.

        Raises:
            UsageError: a text is too long.

        Example:
            >>> vectors = model.embed(["the movie was great", "a wonderful film"])
            >>> torch.cosine_similarity(vectors[0], vectors[1], dim=0)
        """
        return embed(self.model, self.tokenizer, texts, pooling)

    def vectors(self, side: Side = "input") -> Vectors:
        """The vectors of the model's tokens, for neighbours, analogies and the rest that `Vectors` can do.

        Args:
            side: "input", what a token is read as, or "output", what the head compares the hidden state with.

        Raises:
            UsageError: there is no such side.

        Example:
            >>> model.vectors("input").neighbours("▁king", 3)      # a space is ▁
        """
        return token_vectors(self.model, self.tokenizer, side)

    def contextual_vectors(
        self,
        texts: Sequence[str],
        *,
        words: Rule = "letters",
        lowercase: bool = True,
        min_count: int = 5,
        max_words: int = 20_000,
    ) -> Vectors:
        """A vector for each word of some texts: the mean of its hidden states wherever it stands.

        Args:
            texts: read in windows of the model's context, of 512 tokens at most.
            words: what a word is: "letters", "words" (digits and hyphens too) or "spaces" (what stands between them).
            lowercase: whether capitals are made small in the words; the model reads the text as it is.
            min_count: words that are met less often have no vector.
            max_words: how many words have one at most, the most frequent.

        Raises:
            CorpusError: fewer than two words are met often enough.

        Example:
            >>> model.contextual_vectors(texts).neighbours("movie", 3)
        """
        return contextual_vectors(
            self.model,
            self.tokenizer,
            lambda: texts,
            words=words,
            lowercase=lowercase,
            min_count=min_count,
            max_words=max_words,
        )

    def fill(self, text: str, *, k: int = 5) -> list[Filled]:
        """For each mask in a text, the `k` likeliest tokens with their probabilities; encoders only.

        Raises:
            UsageError: the model is no encoder, or the text has no mask.

        Example:
            >>> model.fill("the movie was [MASK].", k=2)
            [[(' great', 0.21), (' good', 0.17)]]
        """
        return fill(self.model, self.tokenizer, text, k)

    def log_prob(self, text: str, *, prompt: str = "") -> Tensor:
        """ln p of each token of `text` given those before it, in a document that begins so: float64, on the CPU.

        There is one value for each of `tokenizer.encode(text)`; the first is given the opening `<|endoftext|>`. Their
        sum is the log-probability that a document begins with these tokens. Longer texts than the context are read in
        overlapping windows.

        With a prompt, the document begins with the prompt, and what is scored are the tokens of prompt and text
        together, from the first one that is not the prompt's alone: where a token straddles the border of the two, it
        is scored whole. Where none does, the sum is `log_prob(prompt + text).sum() - log_prob(prompt).sum()`.

        Example:
            >>> for token, value in zip(model.tokenizer.encode("To be"), model.log_prob("To be")):
            ...     print(model.tokenizer.decode([token]), float(value.exp()))
        """
        return self.log_probs([text], prompts=[prompt])[0]

    def log_probs(self, texts: Sequence[str], *, prompts: Sequence[str] | None = None) -> list[Tensor]:
        """What `log_prob` gives for each text, read together; `prompts` has one for each, or is left out.

        Raises:
            UsageError: not as many prompts as texts, or a model that does not read from left to right.

        Example:
            >>> [float(one.sum()) for one in model.log_probs(["To be", "Be to"])]
            [-4.1, -9.8]
        """
        if prompts is not None and len(prompts) != len(texts):
            raise UsageError(f"There are {len(texts)} texts and {len(prompts)} prompts: give one for each.")
        self.model.new_cache(1, 1)  # an encoder refuses, in words: what it gives each token is no such probability
        rows, starts = [], []
        for text, prompt in zip(texts, prompts or [""] * len(texts)):
            rows.append([self.tokenizer.end_of_text, *self.tokenizer.encode(prompt + text)])
            starts.append(common_length([self.tokenizer.encode(prompt), rows[-1][1:]]))
        values = token_log_probs_batch(self.model, rows)
        return [one[start:] for one, start in zip(values, starts)]

    def choose(self, prompt: str, choices: Sequence[str]) -> list[Choice]:
        """How likely the document that begins with `prompt` goes on with each of the choices: the likeliest first.

        The prompt is read once, the choices together. Scored are, as by `log_prob`, the tokens of prompt and choice
        together, from the first one that is not shared by all and the prompt: so a choice that merges with the end of
        the prompt into other tokens is compared fairly. Where no token straddles the border, a choice has
        `log_prob(choice, prompt=prompt)`; the differences between choices are those of `log_prob(prompt + choice)`
        always. Of a prompt that is longer than the context the end is read.

        Raises:
            UsageError: no choices, an empty one, or one longer than the context.

        Example:
            >>> [(choice.text, choice.log_prob) for choice in model.choose("The movie was", [" good", " bad"])]
            [(' good', -2.1), (' bad', -3.4)]
        """
        if not choices or "" in choices:
            raise UsageError("There is nothing to choose from: give at least one choice, and none that is empty.")
        known, wholes = self.tokenizer.encode(prompt), [self.tokenizer.encode(prompt + choice) for choice in choices]
        shared = common_length([known, *wholes])
        found = ending_log_probs(
            self.model, [self.tokenizer.end_of_text, *known[:shared]], [ids[shared:] for ids in wholes]
        )
        scored = [Choice(text, float(values.sum()), values) for text, values in zip(choices, found)]
        return sorted(scored, key=lambda choice: -choice.log_prob)

    def autocomplete(self, text: str, k: int = 5, *, unit: Unit = "word") -> list[tuple[str, float]]:
        """The k likeliest completions of the last word of a text that is being typed, each with its probability.

        The probability is that of the word (up to a space or the end of the text) in a document that begins so, given
        the letters typed; different words exclude each other. After a space the next word is foretold.

        Args:
            text: its last word may be unfinished; the text before it is read as `log_prob` reads it.
            k: how many completions at most, 1 or more.
            unit: "word", or "line": up to the end of the line, which is given from its beginning.

        Returns:
            Words of at most 16 tokens, lines of at most 48; none where no tokens spell what is typed.

        Raises:
            UsageError: k out of range, or a model that does not read from left to right.
            TokenizerError: the text has characters that a character tokenizer does not know.

        Example:
            >>> model.autocomplete("the mov", k=3)
            [('movie', 0.61), ('movies', 0.2), ('move', 0.05)]
        """
        if unit not in self._vocabularies:
            self._vocabularies[unit] = Vocabulary(self.tokenizer, self.spec.vocab_size, unit)
        typed = take_back(self.tokenizer, text, unit)
        return autocomplete(self.model, self._vocabularies[unit], typed, k)

    def _pieces(
        self,
        prompt: str,
        samples: Sequence[int],
        max_tokens: int,
        stop: str | Sequence[str],
        seed: int | None,
        sampling: Sampling,
    ) -> Iterator[tuple[int, str]]:
        """Check everything, then give the pieces of every sample as (sample, text), as they come."""
        self.model.new_cache(1, 1)  # an encoder refuses, in words, before anything is written
        ended: set[int] = set()
        steps = generate(
            self.model,
            self._read(prompt),
            sampling=sampling,
            max_tokens=max_tokens,
            seed=secrets.randbits(63) if seed is None else seed,
            samples=samples,
            stop_ids=self._ends,
            ended=ended,
        )
        return pieces(self.tokenizer, steps, stop_strings(samples, stop), ended)

    @property
    def _ends(self) -> list[int]:
        """The ids that end a text."""
        return [self.tokenizer.end_of_text, *self.tokens.ends]

    def _read(self, prompt: str) -> list[int]:
        """The ids of a prompt; of an empty one, the token that opens a document."""
        return self.tokenizer.encode(prompt) or [self.tokenizer.end_of_text]


def load(folder: str | Path) -> LanguageModel:
    """Read a model folder, ours or Hugging Face's: `LanguageModel.load`, under the name people look for first.

    Example:
        >>> model = load("model")
    """
    return LanguageModel.load(folder)
