"""SentencePiece's `.model`, both ways: BPE of characters and the unigram model.

The file is a protocol buffer (`protobuf`): the pieces with score and type, how it was trained, and how text is
normalized. Of the training only what decides ids is read. BPE has no merges there, only scores, the best merged first:
`ranks` works the merges out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.formats.json_bpe import BYTE_NAMES, merges_by_pair
from idiolect.tokenizers.formats.protobuf import Message, field
from idiolect.tokenizers.formats.ranks import merges_of_ranks, why_not_ranks, without_ties
from idiolect.tokenizers.formats.special import Special, check_given
from idiolect.tokenizers.formats.strict import short
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_UNIGRAM, _BPE = 1, 2
_MARK = "▁"
_LONGEST_PIECE = 8000  # bytes; SentencePiece loads no longer one

# Reading


def looks_so(content: bytes) -> bool:
    """Whether a file begins with a piece: field 1, a message, whose field 1 is a string."""
    try:
        head = Message(content[:2] and content[: 2 + content[1]], "it")
        return bool(Message(head.raw(1, "a piece"), "a piece").text(1, "a piece", ""))
    except (TokenizerError, IndexError):
        return False


def read(content: bytes, given: Mapping[str, int]) -> Tokenizer:
    """The tokenizer of a model file.

    Args:
        content: what the file holds.
        given: special tokens beyond those of the file, with the ids that follow its own.

    Raises:
        TokenizerError: it is damaged, or has something that this package cannot do.
    """
    model = Message(content, "the file")
    pieces: list[str] = []
    scores: list[float] = []
    types: list[int] = []
    for number, data in enumerate(model.several(1, "the pieces")):
        piece = Message(data, f"piece {number}")
        pieces.append(piece.text(1, f"the text of piece {number}", ""))
        scores.append(piece.real(2, f"the score of piece {number}", 0.0))
        types.append(piece.number(3, f"the type of piece {number}", _NORMAL))
    trainer = model.message(2, "the trainer's settings")
    _check_pieces(pieces, scores, types)
    if model.message(5, "the denormalizer").raw(2, "the denormalizer's rule table"):
        raise TokenizerError("it has a rule table for decoding, which is not supported.")
    byte_ids = _byte_ids(pieces, types, trainer)
    special = {piece: n for n, piece in enumerate(pieces) if types[n] in (_UNKNOWN, _CONTROL)}
    check_given(given, len(pieces))
    for name, token_id in sorted(given.items(), key=lambda item: item[1]):
        if token_id != len(pieces) or name in pieces:
            raise TokenizerError(f"the special token {short(name)} is not new, or its id is not {len(pieces)}.")
        pieces, scores, types = [*pieces, name], [*scores, 0.0], [*types, _CONTROL]
    chosen = Special.of({**special, **given}, trainer.text(47, "the end's name", "</s>"))
    normalizer = _normalizer(model.message(3, "the normalizer"), trainer)
    kind = trainer.number(3, "the kind of model", _UNIGRAM)
    unknown = types.index(_UNKNOWN)
    if kind == _UNIGRAM:
        return UnigramTokenizer(
            pieces,
            scores,
            unknown=unknown,
            special_tokens=chosen.ids,
            normalizer=normalizer,
            byte_ids=byte_ids,
            user_defined=[n for n, piece_type in enumerate(types) if piece_type == _USER_DEFINED],
            unused=[n for n, piece_type in enumerate(types) if piece_type == _UNUSED],
            end_of_text=chosen.end_of_text,
        )
    if kind == _BPE:
        return _read_bpe(pieces, scores, types, unknown, byte_ids, chosen, normalizer)
    raise TokenizerError(
        f"it is a model of kind {kind}: unigram (1) and BPE (2) can be read, words and characters not."
    )


def _check_pieces(pieces: Sequence[str], scores: Sequence[float], types: Sequence[int]) -> None:
    seen: set[str] = set()
    for number, (piece, score, kind) in enumerate(zip(pieces, scores, types)):
        if not piece or piece in seen:
            raise TokenizerError(f"piece {number} is empty or stands twice: {short(piece)}.")
        seen.add(piece)
        if "\0" in piece or len(piece.encode()) >= _LONGEST_PIECE:
            raise TokenizerError(f"piece {number} holds a null character or is too long: {short(piece)}.")
        if not math.isfinite(score):
            raise TokenizerError(f"piece {number} ({short(piece)}) has the score {score}, which is no number.")
        if not _NORMAL <= kind <= _BYTE:
            raise TokenizerError(f"piece {number} ({short(piece)}) is of type {kind}, which is not known.")
    if not pieces:
        raise TokenizerError("it has no pieces: it is no SentencePiece model.")
    if types.count(_UNKNOWN) != 1:
        raise TokenizerError(f"it has {types.count(_UNKNOWN)} pieces for the unknown, and needs one.")


def _byte_ids(pieces: Sequence[str], types: Sequence[int], trainer: Message) -> list[int]:
    """The ids of the 256 bytes, or none."""
    ids = {piece: number for number, piece in enumerate(pieces) if types[number] == _BYTE}
    if not trainer.truth(35, "byte fallback", False):
        if ids:
            raise TokenizerError("it has pieces for bytes, but says that it does not fall back to them.")
        return []
    if set(ids) != set(BYTE_NAMES):
        raise TokenizerError(f"it falls back to bytes, and {len(ids)} pieces are bytes rather than the 256.")
    return [ids[name] for name in BYTE_NAMES]


def _normalizer(spec: Message, trainer: Message) -> Normalizer:
    prefix = spec.truth(3, "the dummy prefix", True)
    return Normalizer(
        charsmap=_checked_charsmap(spec.raw(2, "the rule table")),
        collapse_spaces=spec.truth(4, "extra whitespace", True),
        prefix_space=prefix,
        mark=spec.truth(5, "marked spaces", True),
        space_behind=prefix and trainer.truth(24, "whitespace as suffix", False),
    )


def _checked_charsmap(charsmap: bytes) -> bytes:
    """The rule table where its sizes are right: a length, so many bytes of a trie in units of 1024, and strings."""
    if charsmap:
        size = int.from_bytes(charsmap[:4], "little")
        if len(charsmap) < 4 or size < 1024 or size % 1024 or size >= len(charsmap) - 4 or charsmap[-1] != 0:
            raise TokenizerError("its rule table for normalizing is damaged: its sizes do not fit.")
    return charsmap


def _read_bpe(
    pieces: Sequence[str],
    scores: Sequence[float],
    types: Sequence[int],
    unknown: int,
    byte_ids: list[int],
    special: Special,
    normalizer: Normalizer,
) -> Tokenizer:
    taken = {piece: number for number, piece in enumerate(pieces) if types[number] == _USER_DEFINED}
    before: Normalizer | None = None
    if taken and normalizer not in (Normalizer(), Normalizer(mark=True)):  # its pieces are found in normalized text
        before, normalizer = replace(normalizer, kept=tuple(taken)), Normalizer(mark=normalizer.mark)
    if normalizer.mark and any(" " in piece for piece in taken):
        raise TokenizerError("its BPE always takes a piece with a space in it, and text has marks instead of spaces.")
    for number, piece in enumerate(pieces):
        if types[number] in (_CONTROL, _UNKNOWN) and len(piece) == 1:
            raise TokenizerError(f"its special token {short(piece)} is a single character, which is not supported.")
    ids = {piece: number for number, piece in enumerate(pieces) if types[number] in (_NORMAL, _UNUSED)}
    unused = [number for number, piece_type in enumerate(types) if piece_type == _UNUSED]
    ranks = without_ties({piece: -scores[number] for piece, number in ids.items()})
    merges: list[tuple[int, int]] = []
    for left, right in merges_of_ranks(ranks):
        if left not in ids or right not in ids:
            raise TokenizerError(f"its piece {short(left + right)} is made of something that is no piece.")
        merges.append((ids[left], ids[right]))
    within = any(_MARK in piece[1:] for piece in ids)
    written = [utf8(piece) for piece in pieces]
    for byte, token_id in enumerate(byte_ids):
        written[token_id] = bytes([byte])
    base = BytePairTokenizer(
        written,
        merges,
        pattern="metaspace" if normalizer.mark and not within and not unused else "none",
        special_tokens={**special.ids, **taken},
        symbols="characters",
        normalizer=normalizer,
        byte_ids=byte_ids,
        unknown=unknown,
        unused=unused,
        end_of_text=special.end_of_text,
    )
    if not taken:
        return base
    late = taken if before else ()
    return ExtendedTokenizer(base, taken, special.ids, marks=normalizer.mark, late=late, normalizer=before)


# Writing


def written(tokenizer: Tokenizer) -> bytes:
    """The model file of a tokenizer.

    Raises:
        TokenizerError: SentencePiece would give other ids; the message says why.
    """
    special = tokenizer.special_tokens
    base, normalizer = tokenizer, None
    if isinstance(tokenizer, ExtendedTokenizer):
        base, normalizer = tokenizer.base, tokenizer.normalizer
        if tokenizer.added and not (tokenizer.marks and isinstance(base, BytePairTokenizer)):
            raise TokenizerError("SentencePiece has no added tokens but special ones and those it was given itself.")
    match base:
        case BytePairTokenizer(symbols="characters"):
            kind, unknown = _BPE, base.unknown
            names, scores = _scores_of_merges(base)
            user_defined = set(tokenizer.added.values()) if isinstance(tokenizer, ExtendedTokenizer) else set()
        case BytePairTokenizer():
            raise TokenizerError("SentencePiece starts from characters, and this tokenizer is BPE of bytes.")
        case UnigramTokenizer():
            kind, unknown = _UNIGRAM, base.unknown
            names, scores, user_defined = list(base.pieces), list(base.scores), set(base.user_defined)
        case _:
            raise TokenizerError(
                f"SentencePiece has BPE and unigram models, and this tokenizer is of kind {tokenizer.kind}."
            )
    for token_id, name in zip(base.byte_ids, BYTE_NAMES):
        names[token_id] = name
    for name, token_id in sorted(special.items(), key=lambda item: item[1]):
        if token_id >= len(names):
            names, scores = [*names, name], [*scores, 0.0]
    if unknown is None:
        unknown = special.get("<unk>")
    if unknown is None:
        raise TokenizerError("SentencePiece needs a token for the unknown (<unk>), and this tokenizer has none.")
    types = [_NORMAL] * len(names)
    for ids, piece_type in ((special.values(), _CONTROL), (base.byte_ids, _BYTE), (user_defined, _USER_DEFINED)):
        for token_id in ids:
            types[token_id] = piece_type
    for token_id in base.unused:
        types[token_id] = _UNUSED
    types[unknown] = _UNKNOWN
    normalizer = normalizer or base.normalizer
    _check_writable(names, scores, normalizer)
    if isinstance(base, BytePairTokenizer) and not base.fuse_unknown:
        raise TokenizerError("SentencePiece writes unknown characters in a row as one token, and this one by one.")
    out = [
        field(1, field(1, name) + field(2, float(score)) + (field(3, piece_type) if piece_type != _NORMAL else b""))
        for name, score, piece_type in zip(names, scores, types)
    ]
    end = names[tokenizer.end_of_text]
    roles = [(45, 40, names[unknown]), (47, 42, end)]
    for number, id_number, name in ((46, 41, "<s>"), (48, 43, "<pad>")):
        roles.append((number, id_number, name))
    trainer = field(3, kind) + field(4, len(names)) + field(35, bool(base.byte_ids))
    if normalizer.space_behind:
        trainer += field(24, True)
    for number, id_number, name in roles:
        has = name in names and types[names.index(name)] in (_CONTROL, _UNKNOWN)
        trainer += field(number, name) + field(id_number, names.index(name) if has else -1)
    return b"".join([*out, field(2, trainer), field(3, _normalizer_spec(normalizer))])


def _scores_of_merges(tokenizer: BytePairTokenizer) -> tuple[list[str], list[float]]:
    """The pieces and scores of BPE: the earlier a piece is merged, the better; single characters come last."""
    if tokenizer.ignore_merges:
        raise TokenizerError(
            "SentencePiece makes words by merges alone, and this tokenizer takes words that are tokens."
        )
    if tokenizer.pattern not in ("none", "metaspace"):
        raise TokenizerError(
            f"SentencePiece does not cut text by a pattern, and this tokenizer by {tokenizer.pattern}."
        )
    special = {token_id: name for name, token_id in tokenizer.special_tokens.items()}
    aside = {*special, *tokenizer.byte_ids, *([] if tokenizer.unknown is None else [tokenizer.unknown])}
    names = [
        special[n] if n in special else "" if n in tokenizer.byte_ids else piece.decode("utf-8")
        for n, piece in enumerate(tokenizer.pieces)
    ]
    ranks: dict[str, float] = {}
    for left, right in merges_by_pair(tokenizer):
        ranks.setdefault(names[left] + names[right], float(len(ranks)))
    for token_id, name in enumerate(names):
        if token_id not in aside:
            ranks.setdefault(name, float(len(ranks)))
    if tokenizer.pattern == "metaspace" and any(_MARK in name[1:] for name in ranks):
        raise TokenizerError(
            f"this tokenizer cuts text before each {short(_MARK)}, and SentencePiece would merge across."
        )
    reason = why_not_ranks([(names[left], names[right]) for left, right in merges_by_pair(tokenizer)], ranks)
    if reason:
        raise TokenizerError(f"SentencePiece merges by scores: {reason}.")
    return names, [0.0 if n in aside else -ranks[name] for n, name in enumerate(names)]


def _check_writable(names: Sequence[str], scores: Sequence[float], normalizer: Normalizer) -> None:
    if len(set(names)) < len(names):
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise TokenizerError(f"SentencePiece has each piece once, and {short(twice)} would stand twice.")
    for name, score in zip(names, scores):
        if not name or "\0" in name or len(name.encode()) >= _LONGEST_PIECE:
            raise TokenizerError(f"SentencePiece has no empty pieces, none of 8000 bytes and no null: {short(name)}.")
        if struct.unpack("<f", struct.pack("<f", score))[0] != score:
            raise TokenizerError(
                f"SentencePiece's scores have 32 bits, and that of {short(name)} needs more: ids could change."
            )
    if normalizer.form != "none" or normalizer.lowercase:
        raise TokenizerError(
            "SentencePiece normalizes by a rule table, and this tokenizer by "
            f"{'lower case' if normalizer.lowercase else normalizer.form.upper()}."
        )
    others = (normalizer.replacements, normalizer.strip_accents, normalizer.join_whitespace, normalizer.join_spaces)
    if any(others) or normalizer.nmt:
        raise TokenizerError("SentencePiece normalizes by a rule table, and this tokenizer in other ways too.")
    if normalizer.each_word:
        raise TokenizerError("SentencePiece keeps whitespace other than spaces, and this tokenizer drops it.")
    if normalizer.prefix_once and normalizer.prefix_space:
        raise TokenizerError(
            "SentencePiece puts a space before every text, and this tokenizer only before one that has none."
        )


def _normalizer_spec(normalizer: Normalizer) -> bytes:
    name = field(1, "user_defined" if normalizer.charsmap else "identity")
    charsmap = field(2, normalizer.charsmap) if normalizer.charsmap else b""
    switches = ((3, normalizer.prefix_space), (4, normalizer.collapse_spaces), (5, normalizer.mark))
    return b"".join([name, charsmap, *(field(number, switch) for number, switch in switches)])
