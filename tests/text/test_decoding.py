"""Bytes to characters: exactly as Python decodes them, packed or not; damage and binaries are refused by name."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from idiolect.errors import CorpusError
from idiolect.text import decoding
from idiolect.text.corpus import Corpus
from idiolect.text.decoding import MAGIC, Reading, characters

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
pieces = st.one_of(
    st.binary(max_size=6),
    st.text(max_size=5).map(str.encode),
    st.sampled_from(
        [b"\xef\xbf\xbd", b"\xef\xbf", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xbd", b"\r\n", codecs.BOM_UTF8]
    ),
)
data = st.lists(pieces, max_size=30).map(b"".join).filter(lambda b: b"\0" not in b and not b.startswith(tuple(MAGIC)))


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.usefixtures("small_parts")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data)
@example(b"abcdef\xef\xbf\xbd\xef\xbf\xbd\xff\xef")
def test_any_bytes_are_decoded_as_python_decodes_them(tmp_path: Path, packing: str, raw: bytes) -> None:
    file = tmp_path / f"a.txt{packing}"
    file.write_bytes(PACK[packing](raw))
    body = raw.removeprefix(codecs.BOM_UTF8)

    reading = Reading("text", "replace")
    text = "".join(characters(file, reading))
    assert text == body.decode("utf-8", errors="replace")

    strict = Reading("text", "refuse")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start + len(raw) - len(body)
        with pytest.raises(CorpusError, match=f"a.txt.* 0x{raw[offset]:02x} at offset {offset}[. ]"):
            list(characters(file, strict))
        assert sum(reading.replaced.values()) == text.count("\ufffd") - body.count(b"\xef\xbf\xbd") > 0
    else:
        assert "".join(characters(file, strict)) == text
        assert not reading.replaced


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_truncated_or_changed_file_is_damaged(tmp_path: Path, packing: str) -> None:
    raw = "".join(f"line {i * i}\n" for i in range(5000)).encode()
    packed = PACK[packing](raw)
    file = tmp_path / f"letters.txt{packing}"
    for damaged in (packed[: len(packed) // 2], packed[:-1], packed[:3], b"not packed at all"):
        file.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"letters.txt.* is damaged"):
            list(Corpus([file]).documents())


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_several_members_and_frames_are_one_text(tmp_path: Path, packing: str) -> None:
    file = tmp_path / f"a.txt{packing}"
    file.write_bytes(PACK[packing](b"one\n") + PACK[packing](b"") + PACK[packing](b"two\n" * 9000))
    assert "".join(characters(file, Reading("text", "refuse"))) == "one\n" + "two\n" * 9000


def test_what_unpacks_enormously_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 1 << 16)
    for packing in (".gz", ".zst"):
        file = tmp_path / f"a.txt{packing}"
        file.write_bytes(PACK[packing](b"a" * (32 << 20)))
        sizes = [len(chunk) for chunk in characters(file, Reading("text", "refuse"))]
        assert sum(sizes) == 32 << 20
    assert file.stat().st_size < 4096


@pytest.mark.parametrize("head", [b"text and then\0", *MAGIC])
def test_binary_files_are_refused(tmp_path: Path, head: bytes) -> None:
    file = tmp_path / "strange"
    file.write_bytes(head + b"hello")
    with pytest.raises(CorpusError, match=r"strange is (not plain text but|a binary file)"):
        list(Corpus([file], invalid="replace").documents())


def test_newlines_and_spaces_stay_as_they_are(tmp_path: Path) -> None:
    text = "a\r\nb\rc\n\n d\u2028e\u0085 \t\n"
    (tmp_path / "a.txt").write_bytes(codecs.BOM_UTF8 + text.encode())
    assert [document.text for document in Corpus([tmp_path]).documents()] == [text]


def test_the_replaced_are_counted_once_however_often_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 \xef\xbf\xbd na\xefve\n")
    (tmp_path / "b.txt").write_bytes(b"\xff")
    corpus = Corpus([tmp_path], invalid="replace")
    assert list(corpus.documents("train")) and list(corpus.documents("validation"))
    assert corpus.replaced == 3
