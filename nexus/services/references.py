"""The sources of a deliverable: marks of its parts made numbers, and the list they point to."""

import re
from collections.abc import Mapping, Sequence
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
LAST_HEADING: Final = re.compile(r"(?m)^#{1,6}[ \t]+(.+?)[ \t#]*$")
SPECIAL: Final = re.compile(r"([\\`*_\[\]<>])")


async def find_cited(
    database: Database, data: Path, caller: Caller, project_id: str, texts: Sequence[str]
) -> tuple[list[Cited], list[str]]:
    """Number the sources that texts cite, in the order they are met; and list lost marks.

    Raises:
        ServiceMissing: the database, or the file of a large value, cannot be read.
    """
    marks = marks_in(*texts)
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


def with_numbers(text: str, sources: Sequence[Cited]) -> str:
    """Put numbers in the place of marks; `[?]` where one points to nothing."""
    numbers = {one.mark: f"[{one.number}]" for one in sources}

    def write(marks: list[str]) -> str:
        return "".join(dict.fromkeys(numbers.get(mark, UNKNOWN) for mark in marks))

    return with_citations(text, write)


def with_sources(markdown: str, sources: Sequence[Cited], lost: Sequence[str]) -> str:
    """Add the list of sources, under the heading of one the text ends with if there is any."""
    if not (sources or lost):
        return markdown
    headings = LAST_HEADING.findall(markdown)
    has_list = bool(headings) and headings[-1].strip().casefold() == "sources"
    lines = [f"{one.number}. {_line(one)}" for one in sources]
    blocks = [markdown.rstrip(), *([] if has_list else [HEADING]), "\n".join(lines)]
    if lost:
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
    title, place = (
        SPECIAL.sub(r"\\\1", " ".join(text.split())) for text in (one.title, one.locator)
    )
    parts: Mapping[str, None] = dict.fromkeys((title, place, f"<{one.url}>" if one.url else ""))
    return ", ".join(part for part in parts if part)
