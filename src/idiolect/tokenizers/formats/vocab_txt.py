"""BERT's `vocab.txt`: the tokens of a WordPiece vocabulary, one a line, by id.

BERT's folders of 2018 to 2020 have this and, at best, a `tokenizer_config.json`; what they do not say is as BERT has
it: capitals become small letters and accents go, `[CLS]`, `[SEP]`, `[MASK]`, `[PAD]` and `[UNK]` are the special
tokens, and the frame is `[CLS] a [SEP] b [SEP]`.
"""

from __future__ import annotations

from collections.abc import Mapping

from idiolect.errors import TokenizerError
from idiolect.tokenizers.formats.config import Config
from idiolect.tokenizers.formats.special import Special, check_given
from idiolect.tokenizers.formats.strict import short
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.wordpiece import BertCleaning, WordPieceTokenizer

FILE = "vocab.txt"
_ROLES = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
_FAMILIES = (
    "",
    "bert",
    "distilbert",
    "electra",
    "mobilebert",
    "convbert",
    "layoutlm",
    "pretrained",
    "tokenizersbackend",
)


def read(content: bytes, given: Mapping[str, int], beside: Config) -> WordPieceTokenizer:
    """The tokenizer of a vocabulary.

    Args:
        content: what the file holds.
        given: special tokens beside those that have a role.
        beside: what the configuration says.
    """
    if beside.family not in _FAMILIES:
        raise TokenizerError(
            f"it is of the family {short(beside.family)}, which cuts text in its own way: save it as a tokenizer.json "
            "with transformers, and load that."
        )
    if not beside.truth("do_basic_tokenize", True) or beside.settings.get("never_split"):
        raise TokenizerError(
            "its configuration keeps text or words from being cut as BERT cuts, which is not supported."
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise TokenizerError("it is not valid UTF-8.") from None
    names = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    ids = {name: token_id for token_id, name in enumerate(names)}
    if len(ids) < len(names) or "" in ids:
        wrong = next(n for n, name in enumerate(names) if not name or ids[name] != n)
        raise TokenizerError(f"its line {wrong + 1} is empty or stands twice: {short(names[wrong])}.")
    roles = {**{role: name for role, name in _ROLES.items() if name in ids}, **beside.roles}
    beside.check(ids)
    for role in ("unk", "cls", "sep"):
        if role not in roles:
            raise TokenizerError(f"it has no token {_ROLES[role]}, and its configuration names none in its place.")
    check_given(given, len(names))
    for name, token_id in given.items():
        if ids.get(name) != token_id:
            raise TokenizerError(f"its token {short(name)} has not the id {token_id}.")
    special = Special.of({**{name: ids[name] for name in roles.values()}, **given}, roles.get("eos", roles["sep"]))
    lowercase = beside.truth("do_lower_case", True)
    tokenizer = WordPieceTokenizer(
        names,
        unknown=ids[roles["unk"]],
        special_tokens=dict(sorted(special.ids.items(), key=lambda item: item[1])),
        cleaning=BertCleaning(
            handle_chinese_chars=beside.truth("tokenize_chinese_chars", True),
            strip_accents=beside.truth("strip_accents", lowercase),
            lowercase=lowercase,
        ),
        end_of_text=special.end_of_text,
    )
    tokenizer.frame, tokenizer.roles = Frame.bert(roles["cls"], roles["sep"]), roles
    tokenizer.strips = beside.strips
    return tokenizer
