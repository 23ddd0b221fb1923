"""`tokenizer_config.json` and `special_tokens_map.json`, which lie beside a tokenizer's own file.

Of the many settings that `transformers` keeps there, these count here: which special token has which role, whether one
is put before and behind each text, and, for files that do not say it themselves (`vocab.txt`, `merges.txt`), which
family it is and how it cleans text. Roles come from the configuration; an older one, without `added_tokens_decoder`,
gives way to the map, as in `transformers`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.finding import Strip
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import Json, of_type, parse_json, read_bytes, short
from idiolect.tokenizers.frame import ROLES, Frame

FILE, MAP, MODEL = "tokenizer_config.json", "special_tokens_map.json", "config.json"
ADDED = "added_tokens.json"
_NO_LIMIT = int(1e30)  # what transformers writes where the tokenizer itself sets no length


@dataclass(frozen=True)
class Config:
    """What the files beside a tokenizer say of it."""

    roles: dict[str, str] = field(default_factory=dict)
    """For each role the token that has it."""
    strips: dict[str, Strip] = field(default_factory=dict)
    """Of those tokens that take whitespace beside them into themselves, which."""
    settings: Json = field(default_factory=dict)
    """Everything else in the configuration."""
    folder: Path = Path()
    """Where they lie."""

    @staticmethod
    def beside(file: Path, *, whole: bool = False) -> Config:
        """What lies beside a file.

        Args:
            file: where the tokenizer's own lies.
            whole: whether there is no `tokenizer.json` to say which tokens were added to it.

        Raises:
            TokenizerError: one of the files is damaged, or calls something a token that is none.
        """
        folder = file.parent
        settings, written = _parsed(folder / FILE), _parsed(folder / MAP)
        if whole and (added := _parsed(folder / ADDED)):
            raise TokenizerError(
                f"the {ADDED} beside it adds tokens ({short(min(added))}), which is not read: save it as a "
                "tokenizer.json with transformers, and load that."
            )
        names: dict[str, object] = {role: settings.get(f"{role}_token") for role in ROLES}
        if "added_tokens_decoder" not in settings:
            names |= {role: written[f"{role}_token"] for role in ROLES if written.get(f"{role}_token") is not None}
        roles: dict[str, str] = {}
        strips: dict[str, Strip] = {}
        for role, value in names.items():
            match value:
                case None:
                    continue
                case str(name) if name:
                    pass
                case {"content": str(name), **flags} if name:
                    strip = Strip(*(flags.get(flag) is True for flag in ("lstrip", "rstrip", "single_word")))
                    if strip != Strip():
                        strips[name] = strip
                case _:
                    raise TokenizerError(
                        f"the {role}_token in the {FILE} or {MAP} beside it should be a string, and is {short(value)}."
                    )
            roles[role] = name
        return Config(roles, strips, settings, folder)

    @property
    def family(self) -> str:
        """The family of the tokenizer, or else of the model that lies there, in small letters; empty: not told."""
        told = self.settings.get("tokenizer_class") or _parsed(self.folder / MODEL).get("model_type") or ""
        name = of_type(str, told, f"the family in the {FILE} or {MODEL} beside it").lower()
        return name.removesuffix("fast").removesuffix("tokenizer").replace("_", "").replace("-", "")

    def check(self, tokens: Collection[str]) -> None:
        """Refuse roles of tokens that are not there.

        Args:
            tokens: the names of the tokens there are.
        """
        for role, name in self.roles.items():
            if name not in tokens:
                raise TokenizerError(
                    f"the {FILE} or {MAP} beside it has {short(name)} for its {role}_token, which is no token of it: "
                    "add it to the tokenizer, or take it out there."
                )

    def truth(self, name: str, default: bool) -> bool:
        """A setting that is true or false; null is the default."""
        value = self.settings.get(name)
        return default if value is None else of_type(bool, value, f"{name} in the {FILE} beside it")

    def ends(self, *, bos: bool = False, eos: bool = False) -> Frame:
        """The frame by `add_bos_token` and `add_eos_token`; the arguments are what holds where they are not set."""
        names: list[str | None] = []
        for role, default in (("bos", bos), ("eos", eos)):
            wanted = self.truth(f"add_{role}_token", default)
            names.append(self.roles.get(role) if wanted else None)  # without such a token, none is put
        return Frame.ends(*names)


def written(tokenizer: Tokenizer) -> bytes:
    """The `tokenizer_config.json` of a tokenizer."""
    end = tokenizer.end_of_text_name
    roles = dict(tokenizer.roles) or {"bos": end, "eos": end}
    try:
        known = Special.of(tokenizer.special_tokens, roles.get("eos")).end_of_text
    except TokenizerError:
        known = None
    if known != end:
        roles["eos"] = end
    settings: Json = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{role}_token": roles[role] for role in ROLES if role in roles},
        "clean_up_tokenization_spaces": False,
        "model_max_length": _NO_LIMIT,
    }  # no pad token of our own: were it the end of text, models trained with it would never learn to stop
    return (json.dumps(settings, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def _parsed(file: Path) -> Json:
    if not file.is_file():
        return {}
    try:
        return parse_json(read_bytes(file))
    except TokenizerError as fault:
        raise TokenizerError(f"of the {file.name} beside it, {fault}") from None
