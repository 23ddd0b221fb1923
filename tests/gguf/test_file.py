"""A GGUF file is what the package `gguf`, the peer's own, reads: names, values, shapes, numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gguf
from idiolect.errors import ModelError
from idiolect.gguf.file import quantized, write

METADATA = {
    "general.architecture": "llama",
    "a.number": 7,
    "a.real": 0.5,
    "a.truth": True,
    "some.texts": ["▁a", "", "é"],
    "some.numbers": [1, -2],
    "some.reals": [0.25, -1.0],
    "some.bytes": b"\x00\xff",
}


def tensors() -> dict[str, torch.Tensor]:
    """A matrix that q8_0 can have, one that it cannot, and a vector."""
    torch.manual_seed(0)
    return {"wide": torch.randn(3, 64), "odd": torch.randn(5, 7), "vector": torch.randn(9)}


@pytest.mark.parametrize("kept_as", ["f32", "f16", "q8_0"])
def test_the_peer_reads_what_is_written(tmp_path: Path, kept_as: str) -> None:
    write(tmp_path / "m.gguf", METADATA, tensors(), kept_as)  # type: ignore[arg-type]
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    for name, value in METADATA.items():
        read = reader.fields[name].contents()
        assert bytes(read) == value if isinstance(value, bytes) else read == value, name
    kinds = {"wide": kept_as, "odd": "f16" if kept_as == "q8_0" else kept_as, "vector": "f32"}
    for read in reader.tensors:
        ours = tensors()[read.name]
        assert read.tensor_type.name.lower() == kinds[read.name]
        assert list(read.shape)[::-1] == list(ours.shape)
        back = gguf.dequantize(read.data, read.tensor_type)
        bound = {"f32": 0.0, "f16": 1e-3, "q8_0": float(ours.abs().max()) / 127}[kinds[read.name]]
        np.testing.assert_allclose(back, ours.numpy(), atol=bound, rtol=0)


def test_eight_bits_are_the_peers() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((40, 96)).astype(np.float32) * 10 ** random.uniform(-6, 3, (40, 1)).astype(np.float32)
    rows[3, :32] = 0
    assert quantized(rows) == gguf.quantize(rows, gguf.GGMLQuantizationType.Q8_0).tobytes()


def test_a_number_too_large_for_16_bits_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="wide holds a number beyond 65504"):
        write(tmp_path / "m.gguf", METADATA, {"wide": torch.full((2, 32), 1e5)}, "f16")
