"""Normalisation: what happens to a text before it is cut, so that what reads alike is alike.

`é` can be written as one character or as `e` and an accent; `ﬁ` is `fi` in one character; a text may have one space
or two. A tokenizer that is to see these as the same changes the text first, and then decoding cannot give back what
was there: `lossless` says whether it can. The steps, in this order:

1. control characters dropped (`nmt`), strings replaced by others, a Unicode normal form (`unicodedata`, Unicode
   Standard Annex 15), accents dropped, lower case, and runs of spaces joined;
2. SentencePiece's rule table (Kudo and Richardson, "SentencePiece", 2018, section 3.2), as its `.model` files carry
   it: strings and what each becomes, the longest that fits first;
3. SentencePiece's spaces: runs of them become one and those at both ends go, one is put in front, and each is written
   as `▁`, in this order.

Steps 2 and 3 are native; `reference_normalize` is the same in plain Python. A rule table is checked whole when the
normalizer is made, which takes a few milliseconds.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Final, Literal, Self, get_args

from idiolect import _native
from idiolect.errors import TokenizerError
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.finding import WHITESPACE, Finder

Form = Literal["none", "nfc", "nfkc", "nfd", "nfkd"]

MARK: Final = "▁"
"""What SentencePiece writes in place of a space (U+2581), so that a space can be part of a piece."""


@dataclass(frozen=True)
class Normalizer:
    """What is done to a text before it is cut. Called with a text, it gives the text normalised.

    Example:
        >>> Normalizer(form="nfkc", lowercase=True)("Ｆine ﬁsh")
        'fine fish'
        >>> Normalizer(collapse_spaces=True, prefix_space=True, mark=True)(" the  cat ")
        '▁the▁cat'

    Raises:
        TokenizerError: the rule table is damaged (when the normalizer is made), or the text has a lone surrogate.
    """

    form: Form = "none"
    """The Unicode normal form."""
    lowercase: bool = False
    """Whether capitals become small letters."""
    charsmap: bytes = b""
    """SentencePiece's rule table (`precompiled_charsmap`); empty: no rules."""
    collapse_spaces: bool = False
    """Whether runs of spaces become one and spaces at the ends go (`remove_extra_whitespaces`)."""
    prefix_space: bool = False
    """Whether a text that is not empty gets a space in front (`add_dummy_prefix`)."""
    prefix_once: bool = False
    """Whether the prefix space is left out where the text begins with one, or where spaces are marked with `▁` (Hugging
    Face's Metaspace, and its ByteLevel)."""
    mark: bool = False
    """Whether spaces are written as `▁` (`escape_whitespaces`)."""
    each_word: bool = False
    """Whether whitespace of every kind is dropped and each word gets a `▁` in front where it has none (Hugging Face's
    WhitespaceSplit and Metaspace): the other settings of spaces say nothing then."""
    replacements: tuple[tuple[str, str], ...] = ()
    """Strings that are replaced before all else, one after another, each with what it becomes (ALBERT's quotes)."""
    strip_accents: bool = False
    """Whether combining marks are dropped; with a form that takes letters and accents apart, that drops the accents."""
    join_whitespace: bool = False
    """Whether runs of whitespace of every kind, line ends and tabs become a space before the normal form, and
    whitespace at the end goes after it (DeBERTa v3)."""
    nmt: bool = False
    """Whether control characters are dropped, and line ends, tabs, marks of direction and of width and `▁` become
    spaces, before all else (SentencePiece's rules of that name, as Hugging Face has them)."""
    join_spaces: bool = False
    """Whether runs of spaces become one at the end of step 1, and those at the ends of a text stay."""
    space_behind: bool = False
    """Whether the space of `prefix_space` comes behind a text instead (`treat_whitespace_as_suffix`)."""
    kept: tuple[str, ...] = ()
    """Strings that are only changed in their spaces (SentencePiece's user-defined pieces)."""

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise TokenizerError(f"There is no normal form {self.form!r}: choose one of {', '.join(get_args(Form))}.")
        if self.space_behind and (self.prefix_once or self.each_word):
            raise TokenizerError("A space behind a text does not go with Hugging Face's ways to put one before it.")
        if any(
            len(pair) != 2 or not pair[0] or not all(isinstance(one, str) for one in pair) for pair in self.replacements
        ):
            raise TokenizerError("A replacement is a pair of strings, and the first has at least one character.")
        self._native()

    def __call__(self, text: str) -> str:
        """The text, normalised."""
        if self.kept and self._rewrites:
            parts = [str(part) for part in _finder(self.kept).parts(text)]
            parts[0::2] = map(self._rewritten, parts[0::2])
            text = "".join(parts)
        else:
            text = self._rewritten(text)
        written = utf8(text)
        if self.each_word:
            words = _WHITESPACE.split(self._native()(written).decode() if self.charsmap else text)
            return "".join(word if word[0] == MARK else MARK + word for word in words if word)
        return self._native()(written).decode() if self._changes_more else text

    @property
    def _rewrites(self) -> bool:
        """Whether there is anything in step 1."""
        changes = self.lowercase or self.replacements or self.strip_accents or self.join_whitespace
        changes = changes or self.nmt or self.join_spaces
        return self.form != "none" or bool(changes)

    def _rewritten(self, text: str) -> str:
        """The text after step 1."""
        if self.nmt:
            text = text.translate(_NMT)
        for given, becomes in self.replacements:
            text = text.replace(given, becomes)
        if self.join_whitespace:
            text = _RUNS.sub(" ", text)
        if self.form != "none":
            text = unicodedata.normalize(_UNICODE_NAMES[self.form], text)
        if self.strip_accents and not text.isascii():
            text = "".join(c for c in text if c < "\u0300" or unicodedata.category(c)[0] != "M")
        if self.lowercase:
            text = text.replace("Σ", "σ").lower()  # a final one too, for the peers go character by character
        if self.join_whitespace:
            text = text.rstrip(WHITESPACE)
        if self.join_spaces:
            text = _SPACES.sub(" ", text)
        return text

    @property
    def lossless(self) -> bool:
        """Whether decoding can give any text back exactly.

        A prefix space is taken away again. A mark is read as a space, so a text that has `▁` itself does not come
        back: with `mark`, this is False.
        """
        return replace(self, space_behind=False, kept=()) in (Normalizer(), Normalizer(prefix_space=True))

    @property
    def _changes_more(self) -> bool:
        return bool(self.charsmap) or self.collapse_spaces or self.prefix_space or self.mark

    def _native(self) -> _native.Normalizer:
        if self.each_word:
            return _sentencepiece(self.charsmap, False, False, False, False, False, self.kept)
        return _sentencepiece(
            self.charsmap,
            self.collapse_spaces,
            self.prefix_space,
            self.prefix_once,
            self.mark,
            self.space_behind,
            self.kept,
        )

    def to_json(self) -> dict[str, object]:
        """The settings as JSON values, the rule table in base64; the later ones only where they say something."""
        given = asdict(self)
        written = {name: value for name, value in given.items() if name not in _LATER or value}
        return written | {"charsmap": base64.b64encode(self.charsmap).decode("ascii")}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """What `to_json` gave.

        Raises:
            TokenizerError: a setting is unknown or of a wrong type, or the rule table is damaged.
        """
        if not isinstance(value, Mapping):
            raise TokenizerError("The normalizer's settings are not a JSON object.")
        types = {field.name: type(field.default) for field in fields(cls)} | {"charsmap": str}
        for name, setting in value.items():
            if name not in types:
                raise TokenizerError(f"The normalizer has a setting that is not known: {name!r}.")
            if type(setting) is not types[name] and not (types[name] is tuple and isinstance(setting, list)):
                raise TokenizerError(f"The normalizer's setting {name} should be of type {types[name].__name__}.")
        settings = dict(value)
        for name in ("kept", "replacements"):
            settings[name] = tuple(tuple(one) if isinstance(one, list) else one for one in settings.get(name, ()))
        try:
            settings["charsmap"] = base64.b64decode(settings.get("charsmap", ""), validate=True)
        except (binascii.Error, ValueError):
            raise TokenizerError("The normalizer's rule table is not in base64.") from None
        return cls(**settings)


_UNICODE_NAMES: dict[Form, Literal["NFC", "NFKC", "NFD", "NFKD"]] = {
    "nfc": "NFC",
    "nfkc": "NFKC",
    "nfd": "NFD",
    "nfkd": "NFKD",
}


_LATER = ("replacements", "strip_accents", "join_whitespace", "nmt", "join_spaces", "space_behind", "kept")
"""Settings that were added to earlier ones."""
_WHITESPACE = re.compile(f"[{WHITESPACE}]+")
_SPACES = re.compile(" {2,}")
_DROPPED = (*range(1, 9), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F)
_SPACED = (0x09, 0x0A, 0x0C, 0x0D, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD)
_NMT = {**dict.fromkeys(_DROPPED, ""), **dict.fromkeys(_SPACED, " ")}
_RUNS = re.compile(f"[{WHITESPACE}]{{2,}}|[\n\r\t]")


@lru_cache(maxsize=16)
def _finder(kept: tuple[str, ...]) -> Finder:
    return Finder(kept, {})


@lru_cache(maxsize=16)
def _sentencepiece(
    charsmap: bytes,
    collapse_spaces: bool,
    prefix_space: bool,
    prefix_once: bool,
    mark: bool,
    suffix: bool,
    kept: tuple[str, ...],
) -> _native.Normalizer:
    try:
        return _native.Normalizer(
            charsmap,
            collapse_spaces=collapse_spaces,
            prefix_space=prefix_space,
            prefix_once=prefix_once,
            mark=mark,
            suffix=suffix,
            kept=[utf8(string) for string in kept],
        )
    except ValueError as fault:
        raise TokenizerError(str(fault)) from None
