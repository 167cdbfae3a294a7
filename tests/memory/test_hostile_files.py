"""Files that mean harm, or are merely broken: a clear error each, within bounds of memory and time."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from functools import cache

import pytest

from nexus.errors import PermanentFailure
from nexus.memory.chunk import cut
from nexus.memory.extract import extract
from nexus.memory.media import CSV, DOCX, HTML, JSON, JSON_LINES, PDF
from nexus.memory.passages import SourceDocument
from tests.memory.word import paragraph, word

MOST_BYTES = 500_000_000
"""What may be taken to find out; the bomb unpacks to 600 MB."""


@cache
def bomb() -> bytes:
    made = io.BytesIO()
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened,
        opened.open("word/document.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(60):
            part.write(bytes(10 * 1024**2))
    return made.getvalue()


def archive(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name, content in parts.items():
            opened.writestr(name, content)
    return made.getvalue()


def damaged() -> bytes:
    """A Word document whose text cannot be unpacked: its first byte names no way of packing."""
    made = bytearray(word(paragraph("Birds have feathers.")))
    made[30 + len("word/document.xml")] = 0xFF
    return bytes(made)


ENTITIES = '<!DOCTYPE w:document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
DEEP_XML = "<w:p>" * 5_000 + "<w:r><w:t>deep</w:t></w:r>" + "</w:p>" * 5_000


@pytest.mark.parametrize(
    ("content", "media_type", "reason"),
    [
        pytest.param(bomb, DOCX, "unpacks to more than 64 MB", id="bomb"),
        pytest.param(archive(a=b"b"), DOCX, "not a Word document", id="another archive"),
        pytest.param(b"PK\x03\x04rest", DOCX, "damaged", id="half an archive"),
        pytest.param(damaged(), DOCX, "damaged and cannot be read as a Word", id="bad packing"),
        pytest.param(word("", before=ENTITIES), DOCX, "declares entities", id="entities"),
        pytest.param(word("<w:p>"), DOCX, "no well-formed XML", id="broken markup"),
        pytest.param(word(DEEP_XML), DOCX, "no well-formed XML", id="deep markup"),
        pytest.param(word(""), DOCX, "no text", id="nothing"),
        pytest.param(
            lambda: word(paragraph("a" * 4_100_000)), DOCX, "more than the 4,000,000", id="long"
        ),
        pytest.param(b"<p>" + b"a" * 4_100_000, HTML, "more than the 4,000,000", id="long page"),
        pytest.param(b"<div>" * 9_000 + b"x", HTML, "nested too deeply; flatten", id="deep page"),
        pytest.param(b"<script>x</script>", HTML, "no text", id="no page"),
        pytest.param(b"[" * 100_000, JSON, "nested too deeply|not JSON", id="deep JSON"),
        pytest.param(b'{"a": ', JSON, "not JSON", id="half JSON"),
        pytest.param(b'{"a": 1}\n{', JSON_LINES, "line 2", id="half a line"),
        pytest.param(b"a,b\n" + b"x" * 5_000_000, CSV, "5,000,004 characters", id="one cell"),
        pytest.param(b"%PDF-1.7\n" + b"[" * 1_000_000, PDF, "damaged", id="deep PDF"),
    ],
)
async def test_it_is_refused_with_the_reason(
    content: bytes | Callable[[], bytes], media_type: str, reason: str
) -> None:
    content = content() if callable(content) else content
    with pytest.raises(PermanentFailure, match=reason) as refusal:
        await extract(SourceDocument("doc_1", "the file", media_type, content))
    assert refusal.value.reason == "document_unreadable"
    assert refusal.value.hint


def test_a_bomb_is_met_within_bounds_of_memory() -> None:
    """Reads it as `extract` has it read, with less memory than it unpacks to."""
    program = (
        "import resource, runpy, sys; "
        f"resource.setrlimit(resource.RLIMIT_AS, ({MOST_BYTES}, {MOST_BYTES})); "
        "sys.argv = ['reader', 'docx']; "
        "runpy.run_module('nexus.memory.readers', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=bomb(), capture_output=True, check=True
    )
    assert b"unpacks to more than 64 MB" in done.stdout


async def test_a_pdf_of_ten_thousand_pages_is_refused(
    write_pdf: Callable[[Sequence[str]], bytes],
) -> None:
    with pytest.raises(PermanentFailure, match="has 10,000 pages, more than the 2,000"):
        await extract(SourceDocument("doc_1", "the file", PDF, write_pdf(["a"] * 10_000)))


@pytest.mark.parametrize("kind", ["ZeroDivisionError", "MemoryError"])
def test_what_no_reader_foresees_is_answered_too(kind: str) -> None:
    """Limits stay the reason, even of an error that came of them."""
    program = (
        "import sys; from nexus.memory.readers import __main__ as readers\n"
        "def read(*_):\n"
        "    try: raise " + kind + "\n"
        "    except BaseException as first: raise KeyError('odd') from first\n"
        "readers._read = read\n"
        "readers.main('pdf')"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"x", capture_output=True)
    expected = "more memory" if kind == "MemoryError" else "is damaged"
    assert expected in json.loads(done.stdout)["problem"]


@pytest.mark.parametrize("levels", [200, 1_000])
async def test_a_deep_page_is_read_to_its_end(levels: int) -> None:
    content = b"<div>" * levels + b"deep" + b"</div>" * levels + b"<p>after"
    blocks = await extract(SourceDocument("doc_1", "the file", HTML, content))
    text = " ".join(one.text for one in cut(blocks))
    assert "deep" in text and "after" in text


async def test_two_hundred_levels_of_json_are_read() -> None:
    content = ("[" * 200 + '"deep"' + "]" * 200).encode()
    blocks = await extract(SourceDocument("doc_1", "the file", JSON, content))
    assert "deep" in cut(blocks)[0].text
