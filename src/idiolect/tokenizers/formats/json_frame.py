"""The post-processor of `tokenizer.json`, both ways: what stands around a text, or around two (`Frame`).

Hugging Face has it in three forms, one for BERT, one for RoBERTa and a general one; the last is written. Its
`ByteLevel` changes offsets alone, and is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

from idiolect.errors import TokenizerError
from idiolect.tokenizers.formats.strict import Json, check, of_type, short
from idiolect.tokenizers.frame import Frame, Part

_TEXTS = {"A": "$A", "B": "$B"}


def read(value: object) -> tuple[Frame, dict[str, int]]:
    """The frame of a post-processor, and the special tokens in it with their ids.

    Raises:
        TokenizerError: it is damaged, or does something else to the ids.
    """
    framing = [step for step in _steps(value) if step.get("type") != "ByteLevel"]
    if not framing:
        return Frame(), {}
    if len(framing) > 1:
        raise TokenizerError("it has several post-processors that put tokens around a text: not supported.")
    (step,) = framing
    if step["type"] == "TemplateProcessing":
        return _template(step)
    of_offsets = {"trim_offsets", "add_prefix_space"} if step["type"] == "RobertaProcessing" else set()
    check(step, "the post-processor", accepted={}, read={"type", "sep", "cls", *of_offsets})
    for name in of_offsets:  # without them, it is taken for BERT's there
        of_type(bool, step.get(name), f"{name} of the post-processor")
    cls, cls_id = _token(step.get("cls"))
    sep, sep_id = _token(step.get("sep"))
    if cls == sep and cls_id != sep_id:
        raise TokenizerError(f"its post-processor gives {short(cls)} two ids, {cls_id} and {sep_id}.")
    frame = (Frame.bert if step["type"] == "BertProcessing" else Frame.roberta)(cls, sep)
    return frame, {cls: cls_id, sep: sep_id}


def settings_of(frame: Frame, special: Mapping[str, int]) -> Json | None:
    """The post-processor that puts a text into the frame."""
    if frame == Frame():
        return None
    tokens: Json = {name: {"id": name, "ids": [special[name]], "tokens": [name]} for name in sorted(frame.names)}
    return {
        "type": "TemplateProcessing",
        "single": [_written(part) for part in frame.single],
        "pair": [_written(part) for part in frame.pair],
        "special_tokens": tokens,
    }


def _steps(value: object) -> list[Json]:
    match value:
        case None:
            return []
        case {"type": "Sequence", "processors": [*steps]}:
            if any(isinstance(step, dict) and step.get("type") == "Sequence" for step in steps):
                raise TokenizerError("its post-processors are nested, which is not supported.")
            return [known for step in steps for known in _steps(step)]
        case {"type": "ByteLevel" | "TemplateProcessing" | "BertProcessing" | "RobertaProcessing"}:
            return [of_type(dict, value, "the post-processor")]
    raise TokenizerError(f"its post-processor is not known: {short(value)}.")


def _token(value: object) -> tuple[str, int]:
    match value:
        case [str(name), int() as token_id] if name and type(token_id) is int:
            return name, token_id
    raise TokenizerError(f"its post-processor should name a token and its id, and has {short(value)}.")


def _template(step: Json) -> tuple[Frame, dict[str, int]]:
    check(step, "the post-processor", accepted={}, read={"type", "single", "pair", "special_tokens"})
    single, pair = (
        tuple(_part(part) for part in of_type(list, step.get(name), f"the template {name}"))
        for name in ("single", "pair")
    )
    try:
        frame = Frame(single, pair)
    except TokenizerError as fault:
        raise TokenizerError(f"of its post-processor: {fault}") from None
    tokens = of_type(dict, step.get("special_tokens"), "the tokens of the post-processor")
    ids: dict[str, int] = {}
    for name in frame.names:
        match tokens.get(name):
            case {"id": str(same), "ids": [int() as token_id], "tokens": [str(token)], **rest} if (
                not rest and type(token_id) is int and same == token == name
            ):
                ids[name] = token_id
            case other:
                raise TokenizerError(f"its post-processor has {short(name)}, and says of it: {short(other)}.")
    return frame, ids


def _part(value: object) -> Part:
    match value:
        case {"SpecialToken": {"id": str(name), "type_id": int() as segment, **rest}, **others}:
            is_text = False
        case {"Sequence": {"id": "A" | "B" as text, "type_id": int() as segment, **rest}, **others}:
            name, is_text = _TEXTS[text], True
        case _:
            raise TokenizerError(f"its post-processor has a part that is not known: {short(value)}.")
    if rest or others or type(segment) is not int:
        raise TokenizerError(f"its post-processor has a part that is not known: {short(value)}.")
    return Part(name, segment, is_text)


def _written(part: Part) -> Json:
    kind, name = ("Sequence", part.name.removeprefix("$")) if part.is_text else ("SpecialToken", part.name)
    return {kind: {"id": name, "type_id": part.segment}}
