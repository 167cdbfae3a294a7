"""The text of a document, in blocks that know where they stand.

`Memory.add` calls it. Blocking work runs in a thread, a PDF in a process of its own with
limits. It never cuts a document short: what is too large is refused with the limit named.
"""

import asyncio
import csv
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.errors import PermanentFailure, TransientFailure
from nexus.memory import media
from nexus.memory.passages import SourceDocument

MAX_CHARACTERS: Final = 4_000_000
MAX_PAGES: Final = 2_000
PDF_SECONDS: Final = 120.0

# The child needs to find Python and its packages, nothing else: keys stay here.
_CHILD_VARIABLES: Final = ("PATH", "PYTHONPATH", "HOME", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Prose:
    """Running text; `page` is its page number in a PDF, from 1."""

    text: str
    page: int | None = None
    is_markdown: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a table, the header apart; every row as one line."""

    header: str
    rows: tuple[str, ...]


Block = Prose | Table


async def extract(document: SourceDocument) -> list[Block]:
    """Read a document's text.

    Raises:
        PermanentFailure: it is damaged, encrypted, too large or without text.
        TransientFailure: the process that reads PDFs could not run.
    """
    if document.media_type == media.PDF:
        blocks: list[Block] = list(await _pages(document))
    else:
        blocks = await asyncio.to_thread(_text_blocks, document)
    if not any(_has_text(block) for block in blocks):
        scanned = " It may be scanned images." if document.media_type == media.PDF else ""
        raise _bad(document, f"has no text in it.{scanned}")
    return blocks


def _has_text(block: Block) -> bool:
    return bool(block.text.strip()) if isinstance(block, Prose) else bool(block.rows)


def _text_blocks(document: SourceDocument) -> list[Block]:
    text = _decode(document)
    if document.media_type == media.CSV:
        return [_table(document, text)]
    return [Prose(text, is_markdown=document.media_type == media.MARKDOWN)]


def _decode(document: SourceDocument) -> str:
    try:
        text = document.content.decode(media.encoding_of(document.content))
    except UnicodeDecodeError as wrong:
        raise _bad(
            document, f"is not UTF-8 text (at byte {wrong.start:,}); save it as UTF-8"
        ) from wrong
    if "\0" in text:
        raise _bad(document, "has NUL bytes, so it is not text")
    if len(text) > MAX_CHARACTERS:
        raise _bad(
            document,
            f"has {len(text):,} characters, more than the {MAX_CHARACTERS:,} a document may have;"
            " split it",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _table(document: SourceDocument, text: str) -> Table:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        lines = [
            " | ".join(" ".join(cell.split()) for cell in row)
            for row in csv.reader(io.StringIO(text), delimiter=delimiter)
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as wrong:
        raise _bad(document, f"cannot be read as CSV: {wrong}") from wrong
    if len(lines) == 1:
        return Table("", (lines[0],))
    return Table(lines[0], tuple(lines[1:])) if lines else Table("", ())


async def _pages(document: SourceDocument) -> list[Prose]:
    answer = await _ask_child(document)
    try:
        found = json.loads(answer)
        if "problem" in found:
            raise _bad(document, str(found["problem"]))
        pages = [str(page) for page in found["pages"]]
    except (ValueError, KeyError, TypeError) as wrong:
        raise _bad(document, "could not be read within its limits of memory and time") from wrong
    return [Prose(clean(text), page=number) for number, text in enumerate(pages, start=1)]


async def _ask_child(document: SourceDocument) -> bytes:
    """Have a process of its own read the PDF; it is dead when this returns, however it returns."""
    here = Path(__file__).with_name("pdf.py")
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(here), str(MAX_PAGES), str(MAX_CHARACTERS)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _CHILD_VARIABLES if name in os.environ},
        )
    except OSError as wrong:
        raise TransientFailure(f"no process could be started to read a PDF: {wrong}") from wrong
    try:
        async with asyncio.timeout(PDF_SECONDS):
            answer, _ = await child.communicate(document.content)
    except TimeoutError as late:
        raise _bad(document, f"took more than {PDF_SECONDS:.0f} seconds to read") from late
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return answer


def clean(text: str) -> str:
    """Drop NULs and lone surrogates, which neither JSON nor a database takes."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _bad(document: SourceDocument, what: str) -> PermanentFailure:
    return PermanentFailure(
        f"the document {document.title!r} {what}",
        hint=f"Nexus reads {media.READABLE}",
        code="document_unreadable",
    )
