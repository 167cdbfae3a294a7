"""The sources of a deliverable: marks of its parts made numbers, and the list they point to."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
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
HEADING: Final = "## Sources cited"
ADDRESS: Final = re.compile(r"https?://[^\s<>]+")
SPECIAL: Final = re.compile(r"[\\`*\[\]<]|^[-+>#~=]")


@dataclass(frozen=True, slots=True)
class References:
    """The sources cited, by number, and the marks without one, with what there is to say of them."""

    sources: Sequence[Cited] = ()
    lost: Sequence[str] = ()
    why: str = NOWHERE

    def numbered(self, text: str) -> str:
        """Put numbers in the place of marks; `[?]` where one has no source."""
        if not (self.sources or self.lost):
            return text
        numbers = {one.mark: f"[{one.number}]" for one in self.sources}

        def write(marks: list[str]) -> str:
            return "".join(dict.fromkeys(numbers.get(mark, UNKNOWN) for mark in marks))

        return with_citations(text, write)

    def listed(self) -> str:
        """Write the list of sources under its heading; nothing where nothing is cited."""
        sources = "\n".join(f"{one.number}. {_line(one)}" for one in self.sources)
        lost = "\n".join(f"- {UNKNOWN}: {cite(mark)} {self.why}." for mark in self.lost)
        blocks = [block for block in (sources, lost) if block]
        return "\n\n".join((HEADING, *blocks)) + "\n" if blocks else ""


async def find_references(
    database: Database, data: Path, caller: Caller, project_id: str, texts: Sequence[str]
) -> References:
    """Number the sources that texts cite, in the order they are met.

    Raises:
        ServiceMissing: the database, or the file of a large value, cannot be read.
    """
    marks = await asyncio.to_thread(marks_in, *texts)  # outputs may have millions of characters
    files = ValueFiles(folder_of_values(data, caller.workspace, project_id))
    try:
        looked = await find_sources(database, files, project_id, marks)
    except TransientFailure as wrong:
        raise ServiceMissing(wrong.message, hint=wrong.hint) from wrong
    known = [looked.sources[mark] for mark in marks if mark in looked.sources]
    return References(
        [_cited(number, source) for number, source in enumerate(known, 1)],
        [mark for mark in marks if mark not in looked.sources],
        looked.otherwise or NOWHERE,
    )


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
    """Let text that strangers may have written make no links, headings or lists."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
