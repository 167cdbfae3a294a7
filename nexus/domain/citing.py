"""Citations: the marks by which an output names the passages and pages it rests on.

Pure. A mark is made of what it names, so the same passage has the same one in every task, in
parallel and in a replay: `p` and eight hex digits of a passage's id, `w` and eight of the
SHA-256 of a page's address. Outputs carry marks in brackets, `[p1a2b3c4d]`; readers see numbers.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

DIGITS: Final = 8
MARK: Final = re.compile(rf"(?<![\w\"'])[pw][0-9a-f]{{{DIGITS}}}(?![\w\"'])")
CITATION: Final = re.compile(r"([ \t]?)[\[【]([^\[\]【】\n]{1,300})[\]】]")
"""Brackets that may hold marks, with whatever a model writes beside them; in code as anywhere."""

NOWHERE: Final = "points to nothing that an agent of this project was shown"
NOT_HERE: Final = "cannot be looked up: a result that may have it is on another machine"
MOST_MARKS: Final = 500
"""Marks of one output that are looked up; a model that loops writes any number."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a mark stands for, as an agent was shown it: a passage, or a page by its address."""

    mark: str
    title: str
    locator: str = ""
    document_id: str | None = None
    passage_id: str | None = None
    url: str | None = None

    @property
    def name(self) -> str:
        """Name it on one line: its title and place, or its title and address."""
        parts = (self.title, self.locator or self.url or "")
        return ", ".join(dict.fromkeys(" ".join(part.split()) for part in parts if part.strip()))


def mark_of_passage(passage_id: str) -> str:
    """Make the mark of a passage; `passage_id` ends in at least eight hex digits."""
    return f"p{passage_id.rpartition('_')[2][:DIGITS]}"


def mark_of_page(url: str) -> str:
    """Make the mark of a page."""
    return f"w{hashlib.sha256(url.encode('utf-8', 'replace')).hexdigest()[:DIGITS]}"


def cite(mark: str) -> str:
    """Write a mark as outputs carry it."""
    return f"[{mark}]"


def marks_in(*texts: str) -> list[str]:
    """List the first MOST_MARKS marks that texts cite, each once, in the order they are met."""
    found: dict[str, None] = {}
    for text in texts:
        for citation in CITATION.finditer(text):
            found.update(dict.fromkeys(MARK.findall(citation[2])))
            if len(found) >= MOST_MARKS:
                return list(found)[:MOST_MARKS]
    return list(found)


def with_citations(text: str, write: Callable[[list[str]], str]) -> str:
    """Put in the place of every citation what `write` makes of its marks, or nothing at all."""

    def rewrite(citation: re.Match[str]) -> str:
        marks = MARK.findall(citation[2])
        if not marks:
            return citation[0]
        written = write(marks)
        return f"{citation[1]}{written}" if written else ""

    return CITATION.sub(rewrite, text)


def named(text: str, sources: Mapping[str, Source]) -> str:
    """Write sources out in the place of their marks, for readers who have no list of them.

    A mark that stands for nothing goes.
    """

    def write(marks: list[str]) -> str:
        names = "; ".join(sources[mark].name for mark in marks if mark in sources)
        return cite(names.replace("[", "(").replace("]", ")")) if names else ""

    return with_citations(text, write)
