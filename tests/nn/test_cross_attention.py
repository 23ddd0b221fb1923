"""Attention to another sequence, and pooling, equal the textbook's single query."""

from __future__ import annotations

import math

import torch

from idiolect.nn.cross_attention import AttentionPooling, CrossAttention
from idiolect.nn.reference import attend


def test_each_position_asks_the_items_as_a_textbook_does() -> None:
    torch.manual_seed(0)
    layer = CrossAttention(dim=6, memory_dim=5, heads=2).double()
    hidden, memory = torch.randn(1, 3, 6, dtype=torch.float64), torch.randn(1, 4, 5, dtype=torch.float64)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    for head in range(2):
        own = slice(3 * head, 3 * head + 3)
        w_key, w_value = layer.k_proj.weight[own], layer.v_proj.weight[own]
        for position in range(3):
            query = layer.q_proj.weight[own] / math.sqrt(3)
            output, weights = attend(hidden[0, position], memory[0], query, w_key, w_value)
            torch.testing.assert_close(layer.weights(hidden, memory)[0, head, position], weights)
            expected[position] += layer.o_proj.weight[:, own] @ output
    torch.testing.assert_close(layer(hidden, memory)[0], expected)


def test_items_that_fill_up_a_row_are_not_seen() -> None:
    torch.manual_seed(0)
    layer = CrossAttention(dim=6, memory_dim=5, heads=3)
    hidden, memory = torch.randn(2, 3, 6), torch.randn(2, 4, 5)
    seen = torch.tensor([[True, True, False, False], [True, True, True, True]])
    answers = layer(hidden, memory, seen)
    torch.testing.assert_close(answers[:1], layer(hidden[:1], memory[:1, :2]))
    torch.testing.assert_close(answers[1:], layer(hidden[1:], memory[1:]))
    assert (layer.weights(hidden, memory, seen)[0, :, :, 2:] == 0).all()


def test_pooling_is_the_mean_until_it_has_learnt_what_to_ask() -> None:
    torch.manual_seed(0)
    pooling = AttentionPooling(6)
    hidden = torch.randn(2, 5, 6)
    torch.testing.assert_close(pooling(hidden), hidden.mean(dim=1))
    seen = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    torch.testing.assert_close(pooling(hidden, seen)[0], hidden[0, :3].mean(dim=0))
    pooling.question.data.normal_()
    eye = torch.eye(6)
    expected, _ = attend(pooling.question, hidden[1], eye / math.sqrt(6), eye, eye)
    torch.testing.assert_close(pooling(hidden, seen)[1], expected)
