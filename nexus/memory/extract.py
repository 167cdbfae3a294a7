"""The text of a document, in blocks that know where they stand.

`Memory.add` calls it. Blocking work runs in a thread; formats that may be hostile (PDF, Word,
HTML) are read in a process of its own with limits. It never cuts a document short: what is
too large is refused with the limit named.
"""

import asyncio
import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Final

import nexus
from nexus.errors import PermanentFailure, TransientFailure
from nexus.memory import media
from nexus.memory.blocks import Block, Code, Prose, Records, Table, has_text
from nexus.memory.charsets import marked_in, shown
from nexus.memory.passages import SourceDocument
from nexus.memory.readers.limits import MAX_CHARACTERS
from nexus.memory.records import read_json, read_json_lines

READING_SECONDS: Final = 120.0

_READERS: Final = {media.PDF: "pdf", media.DOCX: "docx", media.HTML: "html"}
# The child needs to find Python and its packages, nothing else: keys stay here.
_CHILD_VARIABLES: Final = ("PATH", "PYTHONPATH", "HOME", "LD_LIBRARY_PATH", "SYSTEMROOT")


async def extract(document: SourceDocument) -> list[Block]:
    """Read a document's text.

    Raises:
        PermanentFailure: it is damaged, encrypted, too large or without text.
        TransientFailure: the process that reads risky formats could not run.
    """
    if document.media_type in _READERS:
        blocks = await _read_apart(document, _READERS[document.media_type])
    else:
        blocks = await asyncio.to_thread(_text_blocks, document)
    if not any(has_text(block) for block in blocks):
        scanned = " It may be scanned images." if document.media_type == media.PDF else ""
        raise _bad(document, f"has no text in it.{scanned}")
    return blocks


def _text_blocks(document: SourceDocument) -> list[Block]:
    text = _decode(document)
    if document.media_type in {media.CSV, media.TSV}:
        return [_table(document, text)]
    if document.media_type in {media.JSON, media.JSON_LINES}:
        return [_records(document, text)]
    if document.media_type == media.CODE:
        return [Code(text)]
    return [Prose(text, is_markdown=document.media_type == media.MARKDOWN)]


def _records(document: SourceDocument, text: str) -> Records:
    read = read_json if document.media_type == media.JSON else read_json_lines
    try:
        return read(text)
    except ValueError as wrong:
        raise _bad(document, f"is not JSON: {wrong}") from wrong
    except RecursionError as deep:
        raise _bad(document, "is nested too deeply to be read; flatten it") from deep


def _decode(document: SourceDocument) -> str:
    codec = marked_in(document.content) or "utf-8"
    try:
        text = document.content.decode(codec)
    except UnicodeDecodeError as wrong:
        raise _bad(
            document,
            f"is not {shown(codec)} text (at byte {wrong.start:,}); {media.SAVE_IT}",
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


async def _read_apart(document: SourceDocument, kind: str) -> list[Block]:
    answer = await _ask_child(document, kind)
    try:
        found = json.loads(answer)
        if "problem" in found:
            raise _bad(document, str(found["problem"]))
        return [
            Prose(clean(str(one["text"])), one.get("page"), is_markdown="page" not in one)
            for one in found["blocks"]
        ]
    except (ValueError, KeyError, TypeError) as wrong:
        raise _bad(document, "could not be read within its limits of memory and time") from wrong


async def _ask_child(document: SourceDocument, kind: str) -> bytes:
    """Have a process of its own read it; that is dead when this returns, however it returns."""
    kept = {name: os.environ[name] for name in _CHILD_VARIABLES if name in os.environ}
    code = str(Path(nexus.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (code, kept.get("PYTHONPATH"))))
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "nexus.memory.readers", kind),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": path},
        )
    except OSError as wrong:
        raise TransientFailure(
            f"no process could be started to read a document: {wrong}"
        ) from wrong
    try:
        async with asyncio.timeout(READING_SECONDS):
            answer, _ = await child.communicate(document.content)
    except TimeoutError as late:
        raise _bad(document, f"took more than {READING_SECONDS:.0f} seconds to read") from late
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
