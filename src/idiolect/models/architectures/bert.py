"""BERT and RoBERTa: encoders that normalise after each part (Devlin et al. 2019; Liu et al. 2019).

| class                      | masked head | pooler       | pair head |
|----------------------------|-------------|--------------|-----------|
| BertModel, RobertaModel    | if there    | if there     | if there  |
| Bert-, RobertaForMaskedLM  | yes         | if there     | if there  |
| BertForNextSentencePrediction | if there | yes          | yes       |
| BertForPreTraining         | yes         | yes          | yes       |
| Bert-, RobertaForSequenceClassification | no | yes       | no        |
| Bert-, RobertaForTokenClassification    | no | no        | no        |

What a class has beside the blocks, `config.json` says only in part: files of a bare model come with the pooler and
without, and those of the hub often hold more than their class needs. So a part is read where it must be there, and
where the file has it (`completed`). RoBERTa differs in the names of its head, and in its positions, which begin behind
the row of the padding token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from idiolect.errors import ModelError
from idiolect.models.architectures import labels
from idiolect.models.architectures.fields import Fields, dropout_of
from idiolect.models.architectures.gpt2 import ACTIVATIONS
from idiolect.models.architectures.stored import Stored
from idiolect.models.spec import HeadSpec, TransformerSpec

BERT, ROBERTA = "bert", "roberta"
CLASSES: dict[str, dict[str, tuple[bool, bool]]] = {
    BERT: {
        "BertModel": (False, False),
        "BertForMaskedLM": (True, False),
        "BertForNextSentencePrediction": (False, True),
        "BertForPreTraining": (True, True),
    },
    ROBERTA: {"RobertaModel": (False, False), "RobertaForMaskedLM": (True, False)},
}
"""The classes in `transformers` without labels, and whether they have a head for masked tokens and one for pairs."""
PREFIXES = {BERT: "Bert", ROBERTA: "Roberta"}

_ALWAYS: dict[str, Any] = {
    **{"family": "encoder", "positions": "learned", "norm": "layer", "norm_place": "post", "biases": "all"},
    **{"gated": False, "qk_norm": False, "embedding_norm": True},
}


def read(fields: Fields) -> TransformerSpec:
    """The shape that a `config.json` tells; parts that it leaves open are added by `completed`."""
    kind = fields.model_type
    name = fields.architecture(*CLASSES[kind], *labels.classes(PREFIXES[kind]))
    head = labels.read(fields, name, encoder=True)
    masked, pairs = CLASSES[kind].get(name, (False, False))
    fields.fixed(position_embedding_type="absolute", is_decoder=False, add_cross_attention=False)
    if kind == ROBERTA and masked:
        fields.fixed(hidden_act="gelu")  # its head is bent so, whatever the blocks are
    layers, heads, dim = (fields.size(f) for f in ("num_hidden_layers", "num_attention_heads", "hidden_size"))
    if dim % heads:
        raise ModelError(f"{fields.path} has hidden_size {dim}, which num_attention_heads ({heads}) does not divide.")
    rows = fields.size("max_position_embeddings", largest=2**20)
    if rows <= blank_rows(fields):
        raise ModelError(f"{fields.path} has max_position_embeddings {rows}, of which padding leaves none.")
    spec = TransformerSpec(
        vocab_size=fields.size("vocab_size"),
        context=rows - blank_rows(fields),
        layers=layers,
        heads=heads,
        kv_heads=heads,
        dim=dim,
        head_dim=dim // heads,
        mlp_dim=fields.size("intermediate_size"),
        tied=fields.flag("tie_word_embeddings", True) or head is not None,
        norm_eps=fields.number("layer_norm_eps", 1e-12),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        types=fields.size("type_vocab_size", 2),
        masked_head=masked,
        pooler=pairs or (head is not None and head.pooling == "cls"),
        pair_head=pairs,
        head=head,
        dropout=dropout_of(fields, fields.number("hidden_dropout_prob", 0.1)),
        **_ALWAYS,
    )
    fields.finish(harmless=["attention_probs_dropout_prob", "classifier_dropout", *_OLD])
    return spec


_OLD = (
    *("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers"),
    *("pooler_size_per_head", "pooler_type"),
)
"""What the first converted checkpoints have, of which nothing reads anything."""


def blank_rows(fields: Fields) -> int:
    """Rows of the table of positions that none uses: RoBERTa's first stands behind the padding token's id."""
    if fields.model_type != ROBERTA:
        return 0
    padding = fields.value("pad_token_id", 1)
    if type(padding) is not int or not 0 <= padding < 2**20:
        raise ModelError(f"{fields.path} must have pad_token_id, a whole number, not {padding!r}.")
    return padding + 1


def completed(spec: TransformerSpec, names: Collection[str]) -> TransformerSpec:
    """The shape with the parts that a file has beyond what its class needs; `names` are standard ones."""
    if spec.head is not None:
        return spec
    heads = [name for name in names if name.startswith(("cls.predictions.transform.", "lm_head.dense."))]
    pooler = any(name.split(".")[1:2] == ["pooler"] for name in names)
    pairs = any(name.startswith("cls.seq_relationship.") for name in names)
    masked = spec.masked_head or bool(heads)
    return replace(
        spec,
        masked_head=masked,
        tied=spec.tied or not masked,
        pooler=spec.pooler or pooler or pairs,
        pair_head=spec.pair_head or pairs,
    )


def written(spec: TransformerSpec, pad: int | None) -> dict[str, Any] | None:
    """The fields that tell a shape; None where neither has it.

    RoBERTa's where there is one kind of segment, no head for pairs, and a padding token, which no text may have in it;
    BERT's otherwise.
    """
    parts = ("masked_head", "pooler", "pair_head", "types", "activation", "norm_eps")
    same = TransformerSpec(
        **{name: getattr(spec, name) for name in ("vocab_size", "context", "layers", "dim", "tied", "dropout")},
        **{name: getattr(spec, name) for name in ("heads", "head_dim", "mlp_dim", *parts)},
        kv_heads=spec.heads,
        **_ALWAYS,
    )
    if replace(spec, head=None) != same or spec.heads * spec.head_dim != spec.dim or spec.types == 0:
        return None
    if not spec.tied and not spec.masked_head:
        return None  # a head that nothing reads
    like_roberta = spec.types == 1 and not spec.pair_head and spec.activation == "gelu"
    kind, blank = (ROBERTA, pad + 1) if like_roberta and pad is not None else (BERT, 0)
    has = {parts: name for name, parts in CLASSES[kind].items()}
    named = labels.written(spec.head, PREFIXES[kind], has[spec.masked_head, spec.pair_head], encoder=True)
    if named is None or (spec.head is not None and spec.pooler != (spec.head.pooling == "cls")):
        return None
    return {
        **named,
        "model_type": kind,
        "vocab_size": spec.vocab_size,
        "max_position_embeddings": spec.context + blank,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "hidden_size": spec.dim,
        "intermediate_size": spec.mlp_dim,
        "type_vocab_size": spec.types,
        "layer_norm_eps": spec.norm_eps,
        "hidden_act": next(name for name, ours in ACTIVATIONS.items() if ours == spec.activation),
        "hidden_dropout_prob": spec.dropout,
        "attention_probs_dropout_prob": 0.0,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": spec.tied,
    }


def standard(name: str, kind: str, head: HeadSpec | None = None) -> str | None:
    """With the prefix that files of the bare model lack, and norms called as since 2019; a table of positions is none
    of the parameters, and neither is a pooler that files of the hub have beside a head that does not read it."""
    if name.endswith("embeddings.position_ids"):
        return None
    if head is not None and (kind, head.pooling) != (BERT, "cls") and name.startswith(f"{kind}.pooler."):
        return None
    name = re.sub(r"LayerNorm\.(gamma|beta)$", lambda old: f"LayerNorm.{_NORMS[old[1]]}", name)
    return name if name.startswith((f"{kind}.", "cls.", "lm_head.", "classifier.")) else f"{kind}.{name}"


_NORMS = {"gamma": "weight", "beta": "bias"}


def stored(spec: TransformerSpec, names: Iterable[str], kind: str, blank: int) -> list[Stored]:
    """Which tensor holds which parameter; `blank` rows of the positions are in front of the first."""
    if kind == BERT:
        head = {
            "head_dense": "cls.predictions.transform.dense",
            "head_norm": "cls.predictions.transform.LayerNorm",
            "pair_head": "cls.seq_relationship",
        }
        bias, decoder = "cls.predictions.bias", "cls.predictions.decoder"
    else:
        head = {"head_dense": "lm_head.dense", "head_norm": "lm_head.layer_norm"}
        bias, decoder = "lm_head.bias", "lm_head.decoder"
    outside = head | {
        "embed_tokens": f"{kind}.embeddings.word_embeddings",
        "embed_positions": f"{kind}.embeddings.position_embeddings",
        "embed_types": f"{kind}.embeddings.token_type_embeddings",
        "embedding_norm": f"{kind}.embeddings.LayerNorm",
        "pooler": "classifier.dense" if kind == ROBERTA and spec.head is not None else f"{kind}.pooler.dense",
        "lm_head": decoder,
    }
    inside = {
        "attention.q_proj": "attention.self.query",
        "attention.k_proj": "attention.self.key",
        "attention.v_proj": "attention.self.value",
        "attention.o_proj": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "mlp.up_proj": "intermediate.dense",
        "mlp.down_proj": "output.dense",
        "mlp_norm": "output.LayerNorm",
    }
    layout = []
    for name in names:
        part, _, field = name.rpartition(".")
        if name == "head_bias":
            # The decoder's own bias is the one that is added; tied to the head's, it is not written a second time.
            layout.append(Stored(bias, (name,), copies=(f"{decoder}.bias",) if spec.tied else ()))
            if not spec.tied:
                layout.append(Stored(f"{decoder}.bias", (name,)))
        elif part in outside:
            repeated = (f"{decoder}.weight",) if part == "embed_tokens" and spec.tied and spec.masked_head else ()
            rows = blank if part == "embed_positions" else 0
            layout.append(Stored(f"{outside[part]}.{field}", (name,), blank_rows=rows, copies=repeated))
        else:
            _, layer, within = part.split(".", 2)
            layout.append(Stored(f"{kind}.encoder.layer.{layer}.{inside[within]}.{field}", (name,)))
    return layout
