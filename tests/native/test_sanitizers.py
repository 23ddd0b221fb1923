"""The C++ under the address and undefined-behaviour sanitizers, on random input (slow: each program is built)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parents[1] / "native"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler here"),
]


def run(folder: Path, program: str, sources: list[str], *arguments: object) -> None:
    """Build `program`.cpp with the sources of `native/` that it needs, and run it: it must end well."""
    built = folder / program
    files = [HERE / f"{program}.cpp", *(NATIVE / source for source in sources)]
    options = "-std=c++20 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -pthread"
    subprocess.run(["c++", *options.split(), f"-I{NATIVE}", *map(str, files), "-o", str(built)], check=True)
    subprocess.run([str(built), *map(str, arguments)], check=True)


def test_random_texts_are_cut_without_a_fault(tmp_path: Path) -> None:
    run(tmp_path, "fuzz_split", ["split.cpp", "unicode.cpp"], 1, 200_000)


def test_rows_spaces_and_characters_are_counted_and_learnt_from_without_a_fault(tmp_path: Path) -> None:
    core = sorted(path.name for path in NATIVE.glob("*.cpp"))
    run(tmp_path, "fuzz_learn", core, 1, 20_000)


def test_cheaper_sums_are_those_of_the_formulas_bit_for_bit(tmp_path: Path) -> None:
    run(tmp_path, "fuzz_float_sums", [], 1, 3_000_000)


def test_damaged_rule_tables_are_refused_or_applied_without_a_fault(tmp_path: Path) -> None:
    rules = {"ab": "X", "abc": "YY", "é": "e", "b": "", "中": "zh  ", "e\u0301": "é", "😀": " ", "\t": " "}
    normalizer = sentencepiece.SentencePieceNormalizer(norm_map=list(rules.items()))
    spec = sentencepiece_model_pb2.NormalizerSpec.FromString(normalizer.serialized_normalizer_spec())
    (tmp_path / "table").write_bytes(spec.precompiled_charsmap)
    run(tmp_path, "fuzz_normalize", ["normalize.cpp", "unicode.cpp"], tmp_path / "table", 1, 100_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_learning_and_encoding_random_texts_and_wrong_settings_without_a_fault(tmp_path: Path, seed: int) -> None:
    core = sorted(path.name for path in NATIVE.glob("*.cpp"))
    run(tmp_path, "fuzz_tokenizers", core, 10_000, seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_word_vectors_of_random_texts_are_learnt_without_a_fault(tmp_path: Path, seed: int) -> None:
    core = sorted(path.name for path in NATIVE.glob("*.cpp"))
    run(tmp_path, "fuzz_embed", core, seed, 300, tmp_path)
