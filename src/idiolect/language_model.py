"""`LanguageModel`: a model with its tokenizer, the object people hold. It speaks in text; tensors stay inside.

Loading costs one reading of the folder and one pass over the vocabulary, to see that the tokenizer is the model's own.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Unpack

from torch import Tensor

from idiolect.errors import ArtifactError, TokenizerError
from idiolect.evaluation.perplexity import token_log_probs
from idiolect.generate.engine import generate
from idiolect.generate.sampling import Sampling, SamplingOptions
from idiolect.generate.stopping import StopStrings
from idiolect.models.build import count_parameters
from idiolect.models.model import Model
from idiolect.models.spec import Spec
from idiolect.models.weights import load_model, save_model
from idiolect.tokenizers.base import Tokenizer

CONFIG = "config.json"
CARD = "README.md"
CARD_MARK = "library_name: idiolect"


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

    def __init__(self, model: Model, tokenizer: Tokenizer) -> None:
        """Raises TokenizerError when the tokenizer has ids that the model has no place for."""
        if tokenizer.vocab_size > model.spec.vocab_size:
            raise TokenizerError(
                f"The tokenizer has {tokenizer.vocab_size} tokens and the model room for {model.spec.vocab_size}: "
                "use the tokenizer it was trained with."
            )
        self.model = model
        self.tokenizer = tokenizer

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
        folder = Path(folder)
        loaded = cls(load_model(folder).eval(), Tokenizer.load(folder))
        recorded = _read_config(folder).get("idiolect", {}).get("tokenizer_fingerprint")
        if recorded not in (None, loaded.tokenizer.fingerprint()):
            raise TokenizerError(
                f"The tokenizer in {folder} is not the one its model was trained with: put the right one back."
            )
        return loaded

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load`, and Hugging Face's `AutoModelForCausalLM` and `AutoTokenizer`, read.

        It holds the weights, the tokenizer and its fingerprint, and a model card. The folder is made where it is
        missing; files of an earlier save are replaced.

        Raises:
            ArtifactError: the folder cannot be written, or has a README.md that is not a model card of this package.
        """
        folder = Path(folder)
        card = folder / CARD
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if card.exists() and CARD_MARK not in card.read_text(encoding="utf-8", errors="replace"):
                raise ArtifactError(f"{card} is not a model card and would be lost: choose another folder.")
            save_model(self.model, folder, end_of_text=self.tokenizer.end_of_text)
            config = _read_config(folder)
            config["idiolect"]["tokenizer_fingerprint"] = self.tokenizer.fingerprint()
            (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            self.tokenizer.save(folder)
            card.write_text(self._card(), encoding="utf-8")
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise ArtifactError(f"{folder} cannot be written ({error.strerror}): choose another folder.") from error

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

    def log_prob(self, text: str) -> Tensor:
        """ln p of each token of `text` given those before it, at the beginning of a document: float64, on the CPU.

        There is one value for each of `tokenizer.encode(text)`; the first is given the opening `<|endoftext|>`. Their
        sum is the log-probability that a document begins with these tokens. Longer texts than the context are read in
        overlapping windows.

        Example:
            >>> for token, value in zip(model.tokenizer.encode("To be"), model.log_prob("To be")):
            ...     print(model.tokenizer.decode([token]), float(value.exp()))
        """
        return token_log_probs(self.model, [self.tokenizer.end_of_text, *self.tokenizer.encode(text)])

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
        steps = generate(
            self.model,
            self.tokenizer.encode(prompt) or [self.tokenizer.end_of_text],
            sampling=sampling,
            max_tokens=max_tokens,
            seed=secrets.randbits(63) if seed is None else seed,
            samples=samples,
            stop_ids=[self.tokenizer.end_of_text],
        )
        stop = [stop] if isinstance(stop, str) else stop
        return self._texts(steps, {sample: StopStrings(stop) for sample in samples})

    def _texts(
        self, steps: Generator[list[tuple[int, int]], None, None], stops: dict[int, StopStrings]
    ) -> Iterator[tuple[int, str]]:
        """The text of each sample's ids, ended at its stop strings."""
        decoders = {sample: self.tokenizer.stream() for sample in stops}
        with closing(steps):
            for step in steps:
                for sample, token_id in step:
                    if token_id >= self.tokenizer.vocab_size:
                        continue  # the model's vocabulary is padded, and such an id stands for nothing
                    if text := stops[sample].push(decoders[sample].push(token_id)):
                        yield sample, text
                if all(stops[sample].stopped for sample, _ in step):
                    break
        for sample, held in stops.items():
            if text := held.flush():
                yield sample, text

    def _card(self) -> str:
        """The model card: what this is, how to use it, and what it is not."""
        spec = self.spec
        parameters = count_parameters(spec)
        return f"""\
---
{CARD_MARK}
pipeline_tag: text-generation
tags:
- idiolect
- {spec.family}
---

# A language model made with idiolect

A {spec.family} of {parameters:,} parameters: {spec.layers} layers of width {spec.dim}, trained on rows of
{spec.context} tokens, and a {self.tokenizer.kind} tokenizer of {self.tokenizer.vocab_size:,} tokens.

```python
import idiolect

model = idiolect.load("this/folder")
print(model.complete("Once", max_tokens=50))
```

`transformers` reads the folder too (`AutoModelForCausalLM`, `AutoTokenizer`).

## What to expect

It continues text in the manner of the text it was trained on. It knows nothing else, states falsehoods as readily as
facts, repeats what was wrong or unfair in that text, and may give back passages of it word for word: share it as you
would share the text itself.
"""


def load(folder: str | Path) -> LanguageModel:
    """Read a model folder: `LanguageModel.load`, under the name people look for first."""
    return LanguageModel.load(folder)


def _read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a folder that `models/weights.py` has read or written: "idiolect" is what is ours in it."""
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return config
