"""How `tokenizer.json` writes what happens to a text before and after its tokens, as ours and back.

Hugging Face's file describes it by three chains of parts: normalizers change the text, pre-tokenizers cut it, decoders
put tokens together. Ours are a `Normalizer` and the name of a pattern. The same behaviour has been written in several
ways over the years; those in use are read here, and one that would give other ids is refused.

SentencePiece's spaces are the hard part. Its rule (a `▁` before every text) is the normalizer `Prepend`; Hugging Face's
`Metaspace` adds one only where the text does not begin with a space, which is `Normalizer.prefix_once`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from idiolect.errors import TokenizerError
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.cutting import CUTS
from idiolect.tokenizers.finding import WHITESPACE
from idiolect.tokenizers.formats.strict import Json, of_type, short
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.patterns import PATTERNS

MARK = "▁"
BYTE_LEVEL: Json = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPACES_TRIMMED: Json = {"type": "Replace", "pattern": {"Regex": r"\A +| +\z"}, "content": ""}
MARKS_TRIMMED: Json = {"type": "Replace", "pattern": {"Regex": rf"\A +|[ {MARK}]+\z"}, "content": ""}
SPACES_JOINED: Json = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
SPACES_MARKED: Json = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
_Form = Literal["nfc", "nfkc", "nfd", "nfkd"]
_FORMS: dict[object, _Form] = {"NFC": "nfc", "NFKC": "nfkc", "NFD": "nfd", "NFKD": "nfkd"}
_WHITESPACE_JOINED: Json = {"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "}
_RIGHT_STRIPPED: Json = {"type": "Strip", "strip_left": False, "strip_right": True}
_NMT, _REPLACE, _WHITESPACE, _FORM, _ACCENTS, _LOWER, _TABLE, _TRIM, _JOIN, _PREFIX, _MARKS = range(11)


def split_settings(pattern: str) -> Json:
    """The pre-tokenizer that cuts by a regular expression."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _steps(value: object, kind: str) -> list[Json]:
    """The parts of a chain, one after another."""
    match value:
        case None:
            return []
        case {"type": "Sequence", **rest} if set(rest) == {kind}:
            return [of_type(dict, step, f"one of the {kind}") for step in of_type(list, rest[kind], f"the {kind}")]
        case _:
            return [of_type(dict, value, f"the {kind}")]


# Normalizers


def normalizer_settings(normalizer: Normalizer) -> Json | None:
    """The chain of normalizers that does the same.

    Raises:
        TokenizerError: it puts a space behind a text, or keeps strings as they are, which no chain does.
    """
    if normalizer.space_behind or normalizer.kept:
        raise TokenizerError(
            "a tokenizer.json can neither put a space behind a text nor except strings from normalizing, as "
            "SentencePiece does."
        )
    steps: list[Json] = [{"type": "Nmt"}] if normalizer.nmt else []
    for string, becomes in normalizer.replacements:
        steps.append({"type": "Replace", "pattern": {"String": string}, "content": becomes})
    if normalizer.join_whitespace:
        steps.append(_WHITESPACE_JOINED)
    if normalizer.form != "none":
        steps.append({"type": normalizer.form.upper()})
    if normalizer.strip_accents:
        steps.append({"type": "StripAccents"})
    if normalizer.lowercase:
        steps.append({"type": "Lowercase"})
    if normalizer.join_whitespace:
        steps.append(_RIGHT_STRIPPED)
    if normalizer.join_spaces:
        steps.append(SPACES_JOINED)
    if normalizer.charsmap:
        charsmap = base64.b64encode(normalizer.charsmap).decode("ascii")
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    if normalizer.collapse_spaces:
        steps += [MARKS_TRIMMED if normalizer.mark else SPACES_TRIMMED, SPACES_JOINED]
    if normalizer.each_word:
        return steps[0] if len(steps) == 1 else {"type": "Sequence", "normalizers": steps} if steps else None
    if normalizer.prefix_space and not normalizer.prefix_once:
        steps.append({"type": "Prepend", "prepend": MARK if normalizer.mark else " "})
    if normalizer.mark:
        steps.append(SPACES_MARKED)
    if not steps:
        return None
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "normalizers": steps}


def read_normalizer(value: object, *, marked_later: bool = False) -> Normalizer:
    """The normalizer that does what a chain does.

    Args:
        value: the chain.
        marked_later: whether spaces become `▁` after it.

    Raises:
        TokenizerError: a part is unknown, or the parts stand in an order in which ours do not work.
    """
    ours, joined, needs_marks, stripped = Normalizer(), False, False, False
    done = 0  # how far along our own order of steps the chain is
    for step in _steps(value, "normalizers"):
        place, ours = _add_step(step, ours)
        joined |= place == _JOIN
        stripped |= place == _TRIM
        if place < done or (place == _JOIN) > (ours.collapse_spaces or ours.join_spaces):
            raise TokenizerError(f"its normalizers stand in an order that is not supported: {short(value)}.")
        done = place
        if MARK in (step.get("prepend"), step.get("content")):
            needs_marks = True
    if needs_marks and not ours.mark and not marked_later:
        raise TokenizerError(f"it marks some spaces and not the others, which is not supported: {short(value)}.")
    if ours.join_whitespace and (not stripped or ours.charsmap or ours.collapse_spaces):
        raise TokenizerError(f"it joins whitespace in a way that is not supported: {short(value)}.")
    if ours.collapse_spaces and not joined:
        raise TokenizerError(f"it trims text without joining spaces, which is not supported: {short(value)}.")
    return ours


def _add_step(step: Json, ours: Normalizer) -> tuple[int, Normalizer]:
    """The place of a step in our order, and the normalizer with it."""
    match step:
        case {"type": "NFC" | "NFKC" | "NFD" | "NFKD" as form, **rest} if not rest and ours.form == "none":
            return _FORM, replace(ours, form=_FORMS[form])
        case {"type": "StripAccents", **rest} if not rest:
            # Taken apart, letters have capitals and no marks have: it is the same before and after.
            after = ours.lowercase and ours.form in ("nfd", "nfkd") and not ours.charsmap
            return _LOWER if after else _ACCENTS, replace(ours, strip_accents=True)
        case {"type": "Lowercase", **rest} if not rest:
            return _LOWER, replace(ours, lowercase=True)
        case {"type": "Precompiled", "precompiled_charsmap": charsmap, **rest} if not rest and not ours.charsmap:
            return _TABLE, replace(ours, charsmap=_charsmap(charsmap))
        case _ if step == _RIGHT_STRIPPED and ours.join_whitespace:
            return _TRIM, ours
        case {"type": "Strip", "strip_left": bool(), "strip_right": True, **rest} if not rest:
            return _TRIM, _narrow(ours)  # where the left is not stripped, `read_metaspace` asks for a prefix
        case _ if step in (SPACES_TRIMMED, MARKS_TRIMMED):
            return _TRIM, replace(ours, collapse_spaces=True)
        case {"type": "Nmt", **rest} if not rest and not ours.nmt:
            return _NMT, replace(ours, nmt=True)
        case _ if step == SPACES_JOINED and not (ours.collapse_spaces or ours.charsmap or ours.join_spaces):
            return _JOIN, replace(ours, join_spaces=True)
        case {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " " | "▁", **rest} if not rest:
            return _JOIN, ours
        case {"type": "Prepend", "prepend": " " | "▁", **rest} if not rest and not ours.prefix_space:
            return _PREFIX, replace(ours, prefix_space=True)
        case _ if step == SPACES_MARKED:
            return _MARKS, replace(ours, mark=True)
        case _ if step == _WHITESPACE_JOINED and not ours.join_whitespace:
            return _WHITESPACE, replace(ours, join_whitespace=True)
        case {"type": "Replace", "pattern": {"String": str(string)}, "content": str(content), **rest} if (
            string and not rest and MARK not in string + content
        ):
            utf8(string + content)
            return _REPLACE, replace(ours, replacements=(*ours.replacements, (string, content)))
    raise TokenizerError(f"it changes text in a way that is not supported: {short(step)}.")


def _charsmap(written: object) -> bytes:
    if written is None:
        return b""
    text = of_type(str, written, "the precompiled_charsmap")
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise TokenizerError("its precompiled_charsmap is not base64.") from None


# Pre-tokenizers


_BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"  # a set within a set: all of it is what a word has not
_CUT_STEPS: dict[str, Json] = {
    **{name: split_settings(expression) for name, expression in CUTS.items()},
    "bloom": split_settings(_BLOOM),
    "digit": {"type": "Digits", "individual_digits": True},
    "digits": {"type": "Digits", "individual_digits": False},
}


_FALCON: list[Json] = [
    {"type": "Punctuation", "behavior": "Contiguous"},
    BYTE_LEVEL,
    {"type": "Digits", "individual_digits": False},
    split_settings("[0-9][0-9][0-9]"),
]
_FALCON_CUTS = ["signs together", "gpt2", "numbers in bytes", "three digits in bytes"]


def _cuts(steps: Sequence[Json]) -> list[str] | None:
    """The names of what these steps cut by; None where one is not known."""
    names = []
    for step in steps:
        name = next((name for name, known in _CUT_STEPS.items() if known == step), None)
        if name is None and step == split_settings(CUTS["digit"]):
            name = "digit"
        if name is None:
            return None
        names.append(name)
    return names


def byte_level_settings(pattern: str, prefix_once: bool = False, cuts: Sequence[str] = ()) -> Json:
    """The pre-tokenizer that cuts by a pattern and writes bytes as characters; with a space before a text without one.

    Raises:
        TokenizerError: a pattern of its own would put the space before each word.
    """
    if list(cuts) == _FALCON_CUTS and pattern == "none" and not prefix_once:
        return {"type": "Sequence", "pretokenizers": _FALCON}
    if cuts:
        rest = byte_level_settings(pattern)
        steps = [*(_CUT_STEPS[name] for name in cuts), *_steps(rest, "pretokenizers")]
        if prefix_once:
            raise TokenizerError("a tokenizer.json that cuts in several steps cannot put a space before a text.")
        return {"type": "Sequence", "pretokenizers": steps}
    if pattern in ("gpt2", "none"):  # GPT-2's is built into ByteLevel
        return BYTE_LEVEL | {"add_prefix_space": prefix_once, "use_regex": pattern == "gpt2"}
    if prefix_once:
        raise TokenizerError(
            f"a tokenizer.json of bytes cut by {pattern} cannot put a space before a text only where there is none."
        )
    cut = split_settings(PATTERNS[pattern])
    return {"type": "Sequence", "pretokenizers": [cut, BYTE_LEVEL | {"use_regex": False}]}


def read_byte_level(value: object) -> tuple[str, bool, list[str]]:
    """How a byte-level pre-tokenizer cuts: the name of its pattern, whether it puts a space before a text that does not
    begin with one, and the names of what cuts before the pattern (`cutting`)."""
    match _steps(value, "pretokenizers"):
        case steps if steps == _FALCON:
            return "none", False, _FALCON_CUTS
        case [{"type": "ByteLevel", "add_prefix_space": bool(prefix), **others}]:
            uses = others.get("use_regex", True)
            if uses is True or uses is False:
                return "gpt2" if uses else "none", prefix, []
        case [
            {"type": "Split", "pattern": {"Regex": str(written)}, "behavior": behavior, "invert": invert},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ] if (behavior, invert) in (("Isolated", False), ("Removed", True)):  # a pattern that covers all text: the same
            for name, ours in PATTERNS.items():
                if written == ours:
                    return name, False, []
            cuts = _cuts([split_settings(written)])
            if cuts and behavior == "Isolated":
                return "none", False, cuts
        case [*before, {"type": "ByteLevel", "add_prefix_space": False} as last] if before:
            pattern, _, _ = read_byte_level(last)
            cuts = _cuts(before)
            if cuts is None and before[:-1]:  # the last of them may be a pattern of ours
                pattern, _, _ = read_byte_level({"type": "Sequence", "pretokenizers": [before[-1], last]})
                cuts = _cuts(before[:-1])
            if cuts is not None:
                return pattern, False, cuts
    raise TokenizerError(
        f"it cuts text in a way that is not ours ({short(value)}): byte-level by the "
        f"pattern {' or '.join(PATTERNS)}, can be read."
    )


def mentions(value: object, kind: str) -> bool:
    """Whether a chain has a part of this type."""
    steps = value.get("pretokenizers") if isinstance(value, dict) and value.get("type") == "Sequence" else [value]
    return isinstance(steps, list) and any(isinstance(step, dict) and step.get("type") == kind for step in steps)


def metaspace_settings(normalizer: Normalizer, pattern: str) -> Json | None:
    """The pre-tokenizer of SentencePiece's kind: none where the normalizer does all and text is not cut."""
    if normalizer.each_word:
        words = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True}
        return {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, words]}
    if pattern == "none" and not normalizer.prefix_once:
        return None
    scheme = "always" if normalizer.prefix_once and normalizer.prefix_space else "never"
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": pattern == "metaspace"}


def read_metaspace(normalizers: object, value: object) -> tuple[Normalizer, str]:
    """The normalizer and the pattern of a file of SentencePiece's kind.

    Args:
        normalizers: the chain of normalizers.
        value: the pre-tokenizer.
    """
    steps = _steps(value, "pretokenizers")
    normalizer = read_normalizer(normalizers, marked_later=bool(steps) and steps[-1].get("type") == "Metaspace")
    left = any(step.get("strip_left") is False for step in _steps(normalizers, "normalizers"))
    match steps:
        case [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", **options}]:
            rules = replace(normalizer, collapse_spaces=False, prefix_space=False, mark=False, join_whitespace=False)
            if _scheme(options) == ("always", True) and normalizer == rules:
                return replace(normalizer, mark=True, prefix_space=True, each_word=True), "metaspace"
        case [] if not left:
            return normalizer, "none"
        case [{"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}]:
            if normalizer.mark:  # as Gemma's files have it: there is no space left to cut at
                return normalizer, "none"
        case [{"type": "Metaspace", "replacement": "▁", **options}]:
            scheme, split = _scheme(options)
            pattern, ours = "metaspace" if split else "none", replace(normalizer, mark=True)
            if scheme == "never" and not left:
                return ours, pattern
            if scheme in ("always", "first") and not normalizer.prefix_space:
                return replace(ours, prefix_space=True, prefix_once=not normalizer.collapse_spaces), pattern
    raise TokenizerError(f"it cuts text in a way that is not supported: {short(value)}.")


def puts_space_in_front_once(pre_tokenizer: object) -> bool:
    """Whether of the stretches between added tokens only a text's first gets a space in front."""
    return any(step.get("prepend_scheme") == "first" for step in _steps(pre_tokenizer, "pretokenizers"))


def _scheme(options: Json) -> tuple[object, bool]:
    """When a Metaspace puts a space in front, None where that is not known, and whether it cuts."""
    options = {"prepend_scheme": "always", "add_prefix_space": True, "split": True, "str_rep": MARK, **options}
    scheme, old, split = (options.pop(name) for name in ("prepend_scheme", "add_prefix_space", "split"))
    known = scheme in ("always", "first", "never") and type(old) is bool and options == {"str_rep": MARK}
    if not known or type(split) is not bool:
        return None, False
    return scheme if old else "never", split


def _narrow(normalizer: Normalizer) -> Normalizer:
    """The normalizer with a part after it that drops spaces of every kind. Ours drops U+0020 alone, and takes a `▁` of
    the text itself for one, so the rule table must turn each of these into that one or into nothing."""
    for character in WHITESPACE + MARK:
        if set(replace(normalizer, collapse_spaces=False)(f"a{character}b")) - {"a", "b", " "}:
            raise TokenizerError(
                f"it drops spaces, and its normalizer leaves U+{ord(character):04X} in the text: not supported."
            )
    return replace(normalizer, collapse_spaces=True)


# Decoders


def metaspace_decoder(normalizer: Normalizer, bytes_too: bool) -> Json:
    """The decoder that turns `▁` into spaces, byte tokens into bytes, and drops the prefix."""
    steps: list[Json] = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}]
    if bytes_too:
        steps.append({"type": "ByteFallback"})
    steps.append({"type": "Fuse"})
    if normalizer.prefix_space:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def check_metaspace_decoder(value: object) -> None:
    """Refuse a decoder that is not of SentencePiece's kind."""
    for step in _steps(value, "decoders"):
        match step:
            case {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}:
                pass
            case {"type": "ByteFallback" | "Fuse" | "Metaspace"} | {"type": "Strip", "content": " "}:
                pass
            case _:
                raise TokenizerError(f"its decoder is not supported: {short(value)}.")
    if value is None:
        raise TokenizerError("it has no decoder.")
