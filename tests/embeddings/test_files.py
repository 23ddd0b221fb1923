"""Files of other tools: both ways, equal to gensim, and refused in a sentence where they are damaged."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from idiolect.embeddings.files import FileFormat
from idiolect.embeddings.vectors import ABOUT, TENSORS, WORDS, Vectors
from idiolect.errors import IdiolectError, UsageError, VectorsError

FORMATS: list[FileFormat] = ["word2vec", "word2vec-binary", "glove"]


@pytest.fixture
def words() -> Vectors:
    matrix = np.random.default_rng(3).normal(size=(50, 6)).astype(np.float32)
    return Vectors([*(f"w{number}" for number in range(47)), "naïve", "日本", "'s"], matrix)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_written_is_read_back_to_the_bit(
    words: Vectors, tmp_path: Path, file_format: FileFormat, packed: bool
) -> None:
    words.export(tmp_path / "v", file_format)
    if packed:
        (tmp_path / "v").write_bytes(gzip.compress((tmp_path / "v").read_bytes()))
    loaded = Vectors.load(tmp_path / "v")
    assert loaded.words == words.words and (loaded.matrix == words.matrix).all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves a file open
@pytest.mark.parametrize("file_format", FORMATS)
def test_gensim_reads_the_same_and_finds_the_same_neighbours(
    vectors: Vectors, tmp_path: Path, file_format: FileFormat
) -> None:
    models = pytest.importorskip("gensim.models")
    vectors.export(tmp_path / "v", file_format)
    theirs = models.KeyedVectors.load_word2vec_format(
        tmp_path / "v", binary=file_format == "word2vec-binary", no_header=file_format == "glove"
    )
    assert theirs.index_to_key == vectors.words and (theirs.vectors == vectors.matrix).all()
    for word in vectors.words[:40]:
        same(vectors.neighbours(word), theirs.most_similar(word, topn=10))
        a, b, c = (vectors.words[(vectors.row(word) + step) % 300] for step in (0, 7, 31))
        same(vectors.analogy(a, b, c), theirs.most_similar(positive=[b, c], negative=[a], topn=10))
        assert vectors.similarity(a, b) == pytest.approx(float(theirs.similarity(a, b)), abs=1e-6)
        some = [a, b, c, "w11", "w12"]
        assert vectors.odd_one_out(some) == theirs.doesnt_match(some)


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read(vectors: Vectors, tmp_path: Path, binary: bool) -> None:
    models = pytest.importorskip("gensim.models")
    theirs = models.KeyedVectors(8)
    theirs.add_vectors(vectors.words, vectors.matrix)
    theirs.save_word2vec_format(tmp_path / "v", binary=binary)
    loaded = Vectors.load(tmp_path / "v")
    assert loaded.words == vectors.words and (loaded.matrix == vectors.matrix).all()


def same(ours: list[Any], theirs: list[tuple[str, float]]) -> None:
    assert [one.word for one in ours] == [word for word, _ in theirs]
    assert [one.score for one in ours] == pytest.approx([score for _, score in theirs], abs=1e-5)


def test_lines_as_other_tools_write_them(tmp_path: Path) -> None:
    """fastText ends its lines with a space, GloVe has words with spaces, Windows ends lines with two characters."""
    (tmp_path / "v.vec").write_text("2 3\nthe 1 2 3 \n\xa0x 4 5e-1 -6 \r\n\n", encoding="utf-8", newline="")
    (tmp_path / "glove").write_bytes(b". . . 1 2 3\n2000 4\t5 6\n")
    assert Vectors.load(tmp_path / "v.vec").words == ["the", "\xa0x"]
    assert Vectors.load(tmp_path / "v.vec").matrix.tolist() == [[1, 2, 3], [4, 0.5, -6]]
    assert Vectors.load(tmp_path / "glove").words == [". . .", "2000"]
    assert Vectors.load(tmp_path / "glove").matrix.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no file of word vectors that is known"),
        (b"Dear Sir,\nthis is a letter.\n", "no file of word vectors that is known"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no file of word vectors that is known"),
        ((793712314).to_bytes(4, "little") + bytes(99), "fastText's own format"),
        (b"3 2\na 1 2\nb 3 4\n", "says that it has 3 words, and has 2"),
        (b"1 2\na 1 2\nb 3 4\n", "says that it has 1 words, and has 2"),
        (b"2 2\na 1 2\nb 3\n", "line 3 has 1 numbers and others have 2"),
        (b"2 2\na 1 2\nb 3 4 5\n", "line 3 has 3 numbers and others have 2"),
        (b"2 2\na 1 2\n\nb 3 4\n", "line 3 is empty"),
        (b"a 1 2\nb 3 x\n", "line 2 has something that is no number"),
        (b"a 1 2\nb 3 nan\n", "line 2 has something that is no number"),
        (b"a 1 2\nb 3 1e999\n", "line 2 has something that is no number"),
        (b"a 1 2\nb 3 1e39\n", "vector of 'b'"),
        (b"a 1 2\na 3 4\n", "'a' has more than one vector"),
        (b"a 1 2\n\xff 3 4\n", "line 2 is not UTF-8"),
        (b"0 5\n", "0 words of 5 numbers"),
        (b"2 0\n", "2 words of 0 numbers"),
        (b"999999999999999999 100\na " + bytes(400), "ends in the middle of word 2"),
        (b"100 999999999999999999\na 1\n", "that cannot be"),
        (b"100 1000000\na 1\n", "ends in the middle of word 1"),
        (b"2 2\na " + bytes(8) + b"b " + bytes(7), "ends in the middle of word 2 of 2"),
        (b"1 2\na " + bytes(8) + b"b " + bytes(8), "goes on after the 1 words"),
        (b"2 2\na " + bytes(8) + b"a " + bytes(8), "'a' has more than one vector"),
        (b"2 2\na " + bytes(8) + b"b " + b"\0\0\xc0\x7f" * 2, "vector of 'b'"),
        (b"2 2\na " + bytes(8) + b"\n " + bytes(8), "word 2 has no name"),
        (b"2 1\na " + bytes(4) + bytes(70000) + b" " + bytes(4), "word 2 has no name or no end"),
        (gzip.compress(b"2 2\na 1 2\nb 3 4\n", mtime=0)[:-9], "cannot be read"),
        (b"a " + b"1 " * 3 + b"\n" + b"b" * 70000, "line 2 has more than a word"),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(VectorsError, match=says):
        Vectors.load(tmp_path / "v")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VectorsError, match="cannot be read"):
        Vectors.load(tmp_path / "missing")


def test_words_that_a_file_cannot_hold(tmp_path: Path) -> None:
    for word in ("New York", "", "a\nb"):
        with pytest.raises(UsageError, match="save a folder"):
            Vectors([word], np.ones((1, 2), dtype=np.float32)).export(tmp_path / "v")
    with pytest.raises(UsageError, match="no format 'csv'"):
        Vectors(["a"], np.ones((1, 2), dtype=np.float32)).export(tmp_path / "v", "csv")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", [*FORMATS, TENSORS, WORDS, ABOUT])
def test_a_mutated_file_is_read_or_refused_in_a_sentence(
    words: Vectors, tmp_path: Path, what: Any, recwarn: pytest.WarningsRecorder
) -> None:
    """Bytes changed, cut off, put in, doubled: a sentence or vectors that are whole, never anything else."""
    random = np.random.default_rng(7)
    if what in FORMATS:
        target = opened = tmp_path / "v"
        words.export(target, what)
    else:
        opened, target = tmp_path / "folder", tmp_path / "folder" / what
        words.save(opened)
    whole, sentences = target.read_bytes(), []
    for _ in range(150):
        content, place = bytearray(whole), int(random.integers(len(whole)))
        if random.random() < 0.7:
            place = int(random.integers(min(len(whole), 300)))  # where headers are
        match random.integers(4):
            case 0:
                content[place] = int(random.integers(256))
            case 1:
                del content[place : place + int(random.integers(1, 40))]
            case 2:
                content[place:place] = random.bytes(int(random.integers(1, 12)))
            case 3:
                content[place : place + 1] = b"9" * int(random.integers(1, 12))
        target.unlink()  # a mapped file keeps what it was
        target.write_bytes(content)
        try:
            loaded = Vectors.load(opened)
            loaded.check()
        except IdiolectError as error:
            sentences.append(str(error))
        else:
            assert len(loaded.words) == len(loaded.matrix) and np.isfinite(loaded.matrix).all()
    assert len(sentences) > 10 and not any("\n" in one for one in sentences)
    assert not recwarn.list, [str(one.message) for one in recwarn.list]


def test_files_of_a_folder_that_do_not_belong_together(words: Vectors, tmp_path: Path) -> None:
    words.save(tmp_path / "v")
    words.most_frequent(10).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / TENSORS, tmp_path / "v" / TENSORS)
    with pytest.raises(VectorsError, match="do not belong together"):
        Vectors.load(tmp_path / "v")
