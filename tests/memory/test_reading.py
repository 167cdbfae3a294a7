"""Recognising, extracting and cutting: no server, no model."""

import codecs
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO, UnsupportedOperation

import pytest

from nexus.errors import InvalidInput, PermanentFailure
from nexus.memory import extract as extraction
from nexus.memory.blocks import Prose, Table
from nexus.memory.chunk import MAX_CHARACTERS, MAX_TOKENS, cut
from nexus.memory.extract import extract
from nexus.memory.media import DOCX, HTML, as_kept, recognise
from nexus.memory.passages import SourceDocument
from nexus.memory.wordpiece import count_tokens

WritePdf = Callable[[Sequence[str]], bytes]


@pytest.mark.parametrize(
    ("title", "said", "head", "expected"),
    [
        ("a.txt", None, b"hello", "text/plain"),
        ("a.md", "application/octet-stream", b"# hello", "text/markdown"),
        ("a", "text/markdown; charset=utf-8", b"# hello", "text/markdown"),
        ("table.csv", "application/vnd.ms-excel", b"a,b\n1,2\n", "text/csv"),
        ("a.json", None, b"{}", "application/json"),
        ("a.txt", "text/plain", b"%PDF-1.7\n", "application/pdf"),
        ("main.py", "text/x-python", b"print()", "text/x-source-code"),
        ("a.tsv", None, b"a\tb", "text/tab-separated-values"),
        ("a.jsonl", None, b"{}", "application/jsonl"),
        ("a.html", None, b"<p>caf\xe9", "text/html"),
        ("page", None, b"\xef\xbb\xbf<html>", "text/html"),
        ("page", None, b" <!DOCTYPE html><html>", "text/html"),
        ("a.docx", None, b"PK\x03\x04rest", DOCX),
        ("utf16.txt", None, "\ufeffhello".encode("utf-16-le"), "text/plain"),
        ("cut.txt", None, "caf\u00e9".encode()[:-1], "text/plain"),
    ],
)
def test_documents_are_recognised(title: str, said: str | None, head: bytes, expected: str) -> None:
    assert recognise(title, said, head) == expected


def packed(*names: str, stored: str = "", told_after: bool = False) -> bytes:
    """Make an archive of parts in their order; `told_after` as programs do that cannot go back."""
    held = Onward() if told_after else BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, f"<xml>{name * 20}</xml>")
        if stored:
            archive.writestr("inside.docx", packed(*WORD_PARTS), zipfile.ZIP_STORED)
    return held.getvalue()


class Onward(BytesIO):
    """A file that can only be written on."""

    def tell(self) -> int:
        raise UnsupportedOperation


WORD_PARTS = ("[Content_Types].xml", "_rels/.rels", "word/document.xml")


@pytest.mark.parametrize("title", ["a.pdf", "a.txt", "a", "a.html", "a.docx", "a.zip"])
@pytest.mark.parametrize("told_after", [False, True])
@pytest.mark.parametrize(
    "names",
    [
        WORD_PARTS,
        ("word/numbering.xml", "word/document.xml", "[Content_Types].xml"),
        ("[Content_Types].xml", "docProps/app.xml", "word/_rels/document.xml.rels"),
    ],
)
def test_a_word_document_is_one_whatever_its_name(
    title: str, told_after: bool, names: tuple[str, ...]
) -> None:
    assert recognise(title, None, packed(*names, told_after=told_after)[:8_192]) == DOCX


@pytest.mark.parametrize(
    "content",
    [
        packed("[Content_Types].xml", "xl/workbook.xml", "xl/word/document.xml"),
        packed("notes.txt", "words/document.xml"),
        packed("notes.txt", stored="a Word document"),
        b"PK\x03\x04" + b"\xff" * 40,
        b"PK\x03\x04" * 2_000,
    ],
)
def test_other_archives_are_refused_whatever_their_name(content: bytes) -> None:
    for title in ("a.pdf", "a.txt", "a"):
        with pytest.raises(InvalidInput, match="a ZIP archive or an Office document other than"):
            recognise(title, None, content)


@pytest.mark.parametrize(
    ("title", "head", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t", "empty"),
        ("a.xlsx", b"PK\x03\x04rest", "Office"),
        ("a.docx", b"\x89PNG\r\n", "image"),
        ("a.docx", b"hello", "Word document's header"),
        ("a.png", b"\x89PNG\r\n", "image"),
        ("a.txt", b"a\0b", "NUL"),
        ("a.txt", b"caf\xe9 au lait", "UTF-8"),
        ("a.pdf", b"hello", "PDF's header"),
        ("a.html", b"<html>\0", "NUL"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    title: str, head: bytes, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        recognise(title, None, head)


CAFE = "un café à côté"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (CAFE.encode(), None),
        (CAFE.encode("utf-8-sig"), "text/plain"),
        (CAFE.encode("utf-8-sig"), "text/plain; charset=latin-1"),
        (CAFE.encode("utf-16"), None),
        (codecs.BOM_UTF16_BE + CAFE.encode("utf-16-be"), "text/plain; charset=utf-8"),
        (CAFE.encode("utf-32"), None),
        (CAFE.encode("utf-16-le"), "text/plain; charset=utf-16le"),
        (CAFE.encode("latin-1"), "text/plain; charset=latin-1"),
        (CAFE.encode("cp1252"), 'text/plain; format=flowed; Charset="Windows-1252"'),
        (CAFE.encode(), "text/plain; charset=us-ascii"),
        (CAFE.encode(), "text/plain; charset=binary"),
    ],
)
async def test_text_is_read_in_the_encoding_it_is_marked_or_told_to_have(
    content: bytes, told: str | None
) -> None:
    kind = recognise("a.txt", told, content)
    kept = as_kept("a.txt", kind, told, content)
    assert await extract(document(kept, kind)) == [Prose(CAFE)]


@pytest.mark.parametrize(
    ("content", "told", "reason"),
    [
        (CAFE.encode("latin-1"), None, "not UTF-8 text"),
        (CAFE.encode("latin-1"), "text/plain; charset=unheard-of", "not UTF-8 text"),
        (CAFE.encode() + b"\xc3 and more", None, "not UTF-8 text"),
        (b"\x81\xff", "text/plain; charset=shift_jis", "not SHIFT_JIS text"),
        (b"\xff\xfea\0\0\xdc", None, "not UTF-16 text"),
    ],
)
def test_text_in_another_encoding_is_refused_with_what_to_do(
    content: bytes, told: str | None, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        recognise("a.txt", told, content)
    assert "charset=windows-1252" in (refusal.value.hint or "")


def test_what_is_not_in_its_encoding_is_refused_wherever_it_is_not() -> None:
    told = "text/plain; charset=windows-1252"
    with pytest.raises(InvalidInput, match=r"not CP1252 text \(at byte 9,000\)"):
        as_kept("a.txt", "text/plain", told, b"a" * 9_000 + b"\x81")
    with pytest.raises(InvalidInput, match="more than the 4,000,000"):
        as_kept("a.txt", "text/plain", told, b"a" * 4_000_001)


async def test_a_page_is_read_in_the_encoding_its_server_names() -> None:
    told = "text/html; charset=koi8-r"
    content = '<meta charset="utf-8"><p>птица'.encode("koi8-r")
    kept = as_kept("page", recognise("page", told, content), told, content)
    assert await extract(document(kept, HTML)) == [Prose("птица", is_markdown=True)]


def document(content: bytes, media_type: str = "text/plain") -> SourceDocument:
    return SourceDocument("doc_1", "the file", media_type, content)


@pytest.mark.parametrize(
    ("content", "media_type", "reason"),
    [
        (b"", "text/plain", "no text"),
        (b"a\0b", "text/plain", "NUL"),
        (b"caf\xe9", "text/markdown", "UTF-8"),
        (b"\n\n,,\n", "text/csv", "no text"),
        (b"a,b\n" + b"x" * 200_000, "text/csv", "field larger"),
        (b"%PDF-1.4 and no more", "application/pdf", "damaged"),
        (b"", "application/pdf", "damaged"),
        (b"%PDF-1.4\n" + bytes(range(256)) * 50, "application/pdf", "damaged"),
    ],
)
async def test_bad_documents_fail_with_a_readable_reason(
    content: bytes, media_type: str, reason: str
) -> None:
    with pytest.raises(PermanentFailure, match=f"'the file'.*{reason}"):
        await extract(document(content, media_type))


async def test_a_pdf_without_text_says_so(write_pdf: WritePdf) -> None:
    with pytest.raises(PermanentFailure, match="scanned"):
        await extract(document(write_pdf(["", ""]), "application/pdf"))


async def test_an_encrypted_pdf_says_so(write_pdf: WritePdf) -> None:
    from pypdf import PdfReader, PdfWriter

    writer, locked = PdfWriter(clone_from=PdfReader(BytesIO(write_pdf(["secret"])))), BytesIO()
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(locked)
    with pytest.raises(PermanentFailure, match="encrypted"):
        await extract(document(locked.getvalue(), "application/pdf"))


async def test_pages_and_characters_are_capped(
    write_pdf: WritePdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PermanentFailure, match="has 2,001 pages, more than the 2,000"):
        await extract(document(write_pdf([""] * 2_001), "application/pdf"))
    monkeypatch.setattr(extraction, "MAX_CHARACTERS", 20)
    with pytest.raises(PermanentFailure, match="30 characters, more than the 20"):
        await extract(document(b"a" * 30))


async def test_a_pdf_that_never_ends_is_killed(
    write_pdf: WritePdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "READING_SECONDS", 0.01)
    with pytest.raises(PermanentFailure, match="took more than"):
        await extract(document(write_pdf(["a"] * 500), "application/pdf"))


async def test_csv_rows_are_read_whatever_their_delimiter() -> None:
    blocks = await extract(document(b'name;note\r\nAnn;"a; b\nc"\r\n;;\r\nBob;\r\n', "text/csv"))
    assert blocks == [Table("name | note", ("Ann | a; b c", "Bob | "))]


def test_excerpts_fit_the_model_and_say_their_lines() -> None:
    lines = [f"Line {number} tells of a day at sea with nothing to report." for number in range(90)]
    excerpts = cut([Prose("\n".join(lines))])
    assert max(count_tokens([one.text for one in excerpts])) <= MAX_TOKENS
    assert "\n".join(one.text for one in excerpts) == "\n".join(lines)
    first = len(excerpts[0].text.split("\n"))
    assert excerpts[0].locator == f"lines 1-{first}"
    assert excerpts[1].locator.startswith(f"lines {first + 1}-")


def test_headings_inside_code_are_not_headings() -> None:
    source = "intro\n# A\nbefore\n```\n# not one\n```\n## B ##\nafter\n"
    found = [(one.locator, one.text) for one in cut([Prose(source, is_markdown=True)])]
    assert found == [
        ("line 1", "intro"),
        ("section A", "# A\nbefore\n```\n# not one\n```"),
        ("section A > B", "## B ##\nafter"),
    ]


def test_a_heading_parted_from_its_long_text_is_no_excerpt() -> None:
    source = "## Words\n" + "- **penguin**: a bird of the south that swims and cannot fly. " * 30
    excerpts = cut([Prose(source, is_markdown=True)])
    assert len(excerpts) > 1
    assert "## Words" not in [one.text for one in excerpts]


def test_a_single_endless_word_is_cut_too() -> None:
    excerpts = cut([Prose("x" * 10_000)])
    assert "".join(one.text for one in excerpts) == "x" * 10_000
    assert max(len(one.text) for one in excerpts) <= MAX_CHARACTERS


def test_rows_are_grouped_under_their_header() -> None:
    excerpts = cut([Table("a | b", tuple(f"{n} | {n}" for n in range(45)))])
    assert [one.locator for one in excerpts] == ["rows 1-20", "rows 21-40", "rows 41-45"]
    assert excerpts[2].text == "a | b\n40 | 40\n41 | 41\n42 | 42\n43 | 43\n44 | 44"
