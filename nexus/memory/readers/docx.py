"""A Word document (Office Open XML) as Markdown: headings by their styles, lists, tables.

Only two parts are read, under limits: what they unpack to is counted while it is unpacked.
Source: ECMA-376, part 1.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final

from nexus.memory.readers.limits import Text, Unreadable

WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
BODY: Final = "word/document.xml"
STYLES: Final = "word/styles.xml"
MOST_ENTRIES: Final = 10_000
MOST_UNPACKED: Final = 64 * 1024**2
LEVELS: Final = 6


def read_docx(content: bytes) -> str:
    """Return the document's text as Markdown.

    Raises:
        Unreadable: it is no Word document, damaged, encrypted, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if len(archive.infolist()) > MOST_ENTRIES:
                raise Unreadable(f"has more than {MOST_ENTRIES:,} parts")
            body = _part(archive, BODY)
            if body is None:
                raise Unreadable("is an archive, but not a Word document: it has no text part")
            levels = _levels(_part(archive, STYLES))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, zlib.error) as wrong:
        raise Unreadable("is damaged and cannot be read as a Word document") from wrong
    except (RuntimeError, OSError, EOFError, ValueError) as wrong:  # RuntimeError: a password
        raise Unreadable("is damaged or encrypted and cannot be unpacked") from wrong
    text = Text()
    for line in _lines(body, levels):
        text.add(line)
    return str(text).strip()


def _part(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Unpack one part, however large it says it is."""
    try:
        with archive.open(name) as part:
            unpacked = part.read(MOST_UNPACKED + 1)
    except KeyError:
        return None
    if len(unpacked) > MOST_UNPACKED:
        raise Unreadable(
            f"unpacks to more than {MOST_UNPACKED // 1024**2} MB of text and markup; split it"
        )
    return unpacked


def _walk(part: bytes, *names: str) -> Iterator[tuple[str, Any]]:
    from lxml import etree

    if b"<!DOCTYPE" in part[:4_096] or b"<!ENTITY" in part:
        raise Unreadable("declares entities, which no Word document needs")
    walk = etree.iterparse(
        io.BytesIO(part),
        events=("start", "end"),
        tag=[f"{WORD}{name}" for name in names] + [FALLBACK],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
    )
    try:
        yield from walk
    except etree.XMLSyntaxError as wrong:
        raise Unreadable("is damaged: its text is no well-formed XML") from wrong


def _levels(styles: bytes | None) -> dict[str, int]:
    """Read which styles are headings, by their names, which do not depend on a language."""
    levels: dict[str, int] = {}
    if styles is None:
        return levels
    style = ""
    for event, element in _walk(styles, "style", "name"):
        if event == "start" and element.tag == f"{WORD}style":
            style = element.get(f"{WORD}styleId") or ""
        elif event == "end" and element.tag == f"{WORD}name":
            words = (element.get(f"{WORD}val") or "").lower().split()
            if words[:1] == ["heading"] and words[-1].isdecimal():
                levels[style] = min(int(words[-1]), LEVELS)
            elif words == ["title"]:
                levels[style] = 1
    return levels


class _Page:
    """What is known while a document is gone through; `rows` counts open rows of tables."""

    def __init__(self, levels: dict[str, int]) -> None:
        self.levels = levels
        self.mark = ""
        self.words: list[str] = []
        self.cells: list[str] = []
        self.rows = 0
        self.passed_over = 0

    def take(self, event: str, element: Any) -> str:
        """Go one step on; return a line that is finished, "" for none."""
        name = str(element.tag).removeprefix(WORD)
        if element.tag == FALLBACK or name == "del":
            self.passed_over += 1 if event == "start" else -1
        elif self.passed_over:
            return ""
        elif event == "start":
            self._begin(name, element)
        else:
            return self._end(name, element)
        return ""

    def _begin(self, name: str, element: Any) -> None:
        if name == "tr":
            self.rows += 1
        elif name == "numPr":
            self.mark = self.mark or "- "
        elif name == "pStyle":
            level = self.levels.get(element.get(f"{WORD}val") or "")
            self.mark = "#" * level + " " if level else self.mark

    def _end(self, name: str, element: Any) -> str:
        if name in {"t", "tab", "br"}:
            self.words.append({"tab": "\t", "br": "\n"}.get(name) or element.text or "")
        elif name == "p":
            return self._end_paragraph(element)
        elif name == "tr":
            self.rows -= 1
            line, self.cells = " | ".join(self.cells), []
            element.clear()
            return f"{line}\n"
        elif name == "tbl":
            return "\n"
        return ""

    def _end_paragraph(self, element: Any) -> str:
        words, mark = "".join(self.words).strip(), self.mark
        self.words, self.mark = [], ""
        element.clear()
        if self.rows:
            if words:
                self.cells.append(" ".join(words.split()))
            return ""
        return f"{mark}{words}\n\n" if words else ""


def _lines(body: bytes, levels: dict[str, int]) -> Iterator[str]:
    page = _Page(levels)
    wanted = ("p", "t", "tab", "br", "tr", "tbl", "pStyle", "numPr", "del")
    for event, element in _walk(body, *wanted):
        line = page.take(event, element)
        if line:
            yield line
