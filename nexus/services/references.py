"""The sources of a deliverable: marks of its parts made numbers, and the list they point to."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nexus.domain.citing import NOWHERE, Source, cite, marks_in, with_citations
from nexus.errors import ServiceMissing, TransientFailure
from nexus.models.database import Database
from nexus.orchestrator.citations import find_sources
from nexus.orchestrator.value_files import ValueFiles, folder_of_values
from nexus.schemas.deliverable import Cited
from nexus.services.caller import Caller

UNKNOWN: Final = "[?]"
HEADING: Final = "## Sources"
ANY_HEADING: Final = re.compile(r"(?m)^#{1,6}[ \t]+([^\n]*[^\s#])")
ADDRESS: Final = re.compile(r"https?://[^\s<>]+")
SPECIAL: Final = re.compile(r"([\\`*\[\]<])")


async def find_cited(
    database: Database, data: Path, caller: Caller, project_id: str, texts: Sequence[str]
) -> tuple[list[Cited], list[str]]:
    """Number the sources that texts cite, in the order they are met; and list lost marks.

    Raises:
        ServiceMissing: the database, or the file of a large value, cannot be read.
    """
    marks = await asyncio.to_thread(marks_in, *texts)  # outputs may have millions of characters
    if not marks:
        return [], []
    files = ValueFiles(folder_of_values(data, caller.workspace, project_id))
    try:
        found = await find_sources(database, files, project_id, marks)
    except TransientFailure as wrong:
        raise ServiceMissing(wrong.message, hint=wrong.hint) from wrong
    known = [found[mark] for mark in marks if mark in found]
    cited = [_cited(number, source) for number, source in enumerate(known, 1)]
    return cited, [mark for mark in marks if mark not in found]


def with_references(markdown: str, sources: Sequence[Cited], lost: Sequence[str]) -> str:
    """Put numbers in the place of marks, `[?]` where one points to nothing, and list the sources.

    The list goes under the heading of one the text ends with, if there is any.
    """
    if not (sources or lost):
        return markdown
    numbers = {one.mark: f"[{one.number}]" for one in sources}

    def write(marks: list[str]) -> str:
        return "".join(dict.fromkeys(numbers.get(mark, UNKNOWN) for mark in marks))

    text = with_citations(markdown, write).rstrip()
    headings = ANY_HEADING.findall(text)
    has_list = bool(headings) and headings[-1].casefold() == "sources"
    blocks = [text, *([] if has_list else [HEADING])]
    blocks.append("\n".join(f"{one.number}. {_line(one)}" for one in sources))
    blocks.append("\n".join(f"- {UNKNOWN}: {cite(mark)} {NOWHERE}." for mark in lost))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _cited(number: int, source: Source) -> Cited:
    return Cited(
        number=number,
        mark=source.mark,
        title=source.title,
        locator=source.locator,
        document_id=source.document_id,
        passage_id=source.passage_id,
        url=source.url,
    )


def _line(one: Cited) -> str:
    address = f"<{one.url}>" if one.url and ADDRESS.fullmatch(one.url) else _plain(one.url or "")
    parts = dict.fromkeys((_plain(one.title), _plain(one.locator), address))
    return ", ".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Let text that strangers may have written be nothing but text."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
