"""A prompt as the offline model reads it: which agent is spoken to, and the tagged sections.

Called once per request. Text without tags is taken as the goal itself.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nexus.domain.citing import NOWHERE

AGENT_LINE: Final = re.compile(r"^You are the (.+?) agent of Nexus\.", re.MULTILINE)
TAGS: Final = (
    "goal|task|acceptance|criteria|submission|former|findings|inputs|input|citations|documents|passages|"
    "passage|agents|note|budget|plan|comment|correction|message"
)
SECTION: Final = re.compile(
    r"^<(goal|task|acceptance|criteria|submission|former|findings|inputs|citations|documents|passages|agents"
    r"|plan|comment|correction|message)((?: [^>\n]*)?)>\n(.*?)\n?^</\1>",
    re.MULTILINE | re.DOTALL,
)
ITEM: Final = re.compile(
    r"^<(input|passage)((?: [^>\n]*)?)>\n(.*?)\n?^</\1>", re.MULTILINE | re.DOTALL
)
ATTRIBUTE: Final = re.compile(r'([a-z_]+)="([^"]*)"')
ESCAPED: Final = re.compile(rf"&lt;(?=\s*/?\s*(?:{TAGS})\b)", re.IGNORECASE)
DOCUMENT: Final = re.compile(
    r"^- (?P<file>.+?) \| title: (?P<title>.*?) \| (?P<media>[^|]*?) \| (?P<bytes>\d+) bytes"
    r"(?: \| id: (?P<id>\S+))?\s*$"
)
TABLE_TYPES: Final = ("text/csv", "text/tab-separated-values")
TABLE_FILES: Final = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Source:
    """A document at hand; `file` is its path inside the workspace folder."""

    file: str
    title: str
    media_type: str

    @property
    def is_table(self) -> bool:
        return self.media_type in TABLE_TYPES or self.file.casefold().endswith(TABLE_FILES)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage that retrieval found: where it stands, its rank (0 is the best), how it is cited."""

    text: str
    title: str
    locator: str
    rank: int = 0
    cite: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything an agent was asked; `inputs` holds (task key, output) in the order given.

    `ledger` has a line of JSON for each task of a plan that is to be amended.
    """

    agent: str
    goal: str
    title: str = ""
    instructions: str = ""
    acceptance: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    documents: tuple[Source, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    agents: tuple[str, ...] = ()
    ledger: tuple[str, ...] = ()
    comment: str = ""
    correction: str = ""
    criteria: tuple[str, ...] = ()  # of a review, in the order of their numbers
    submission: str = ""
    lost: tuple[str, ...] = ()  # citations that point to nothing
    is_chat: bool = False  # a person has written, whose message is the goal and the instructions

    @property
    def tables(self) -> tuple[Source, ...]:
        return tuple(document for document in self.documents if document.is_table)

    @property
    def texts(self) -> tuple[Source, ...]:
        return tuple(document for document in self.documents if not document.is_table)

    @property
    def question(self) -> str:
        """What this task asks: its title and instructions, else the goal; or a person's message."""
        if self.is_chat:
            return self.instructions
        return f"{self.title}\n{self.instructions}".strip() or self.goal


def read_prompt(system: str, user: str) -> Prompt:
    """Read the system line and the tagged user prompt; tolerate any section being absent."""
    named = AGENT_LINE.search(system)
    sections = {
        match.group(1): (_attributes(match.group(2)), match.group(3))
        for match in SECTION.finditer(user)
    }
    if not sections:
        return Prompt(agent=named.group(1) if named else "", goal=user.strip())
    is_chat = "message" in sections
    attributes, instructions = sections.get("message" if is_chat else "task", ({}, ""))
    return Prompt(
        agent=named.group(1) if named else "",
        is_chat=is_chat,
        goal=_plain(instructions if is_chat else _body(sections, "goal")),
        title="Answer" if is_chat else attributes.get("title", ""),
        instructions=_plain(instructions),
        acceptance=tuple(_lines(_body(sections, "acceptance"))),
        inputs=tuple((a.get("task", ""), text) for a, text in _items(sections, "inputs")),
        documents=tuple(_documents(_body(sections, "documents"))),
        excerpts=tuple(
            Excerpt(text, a.get("title", ""), a.get("locator", ""), rank, a.get("cite", ""))
            for rank, (a, text) in enumerate(_items(sections, "passages"))
        ),
        ledger=tuple(_lines(_body(sections, "plan"))),
        comment=_plain(_body(sections, "comment")),
        correction=_plain(_body(sections, "correction")),
        criteria=tuple(line.partition(": ")[2] for line in _lines(_body(sections, "criteria"))),
        submission=_plain(_body(sections, "submission")),
        lost=tuple(
            mark
            for mark, _, told in (
                one.partition(": ") for one in _lines(_body(sections, "citations"))
            )
            if told == NOWHERE
        ),
        agents=tuple(line.partition(":")[0].strip() for line in _lines(_body(sections, "agents"))),
    )


Sections = dict[str, tuple[dict[str, str], str]]


def _body(sections: Sections, name: str) -> str:
    return sections.get(name, ({}, ""))[1]


def _items(sections: Sections, name: str) -> Iterator[tuple[dict[str, str], str]]:
    for match in ITEM.finditer(_body(sections, name)):
        yield _attributes(match.group(2)), _plain(match.group(3))


def _attributes(text: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in ATTRIBUTE.findall(text)}


def _plain(text: str) -> str:
    return ESCAPED.sub("<", text).strip()


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("- "):
            yield _plain(line[2:])


def _documents(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = DOCUMENT.match(line)
        if match:
            title = _plain(match["title"]) or match["file"].rsplit("/", 1)[-1]
            yield Source(_plain(match["file"]), title, match["media"].strip())
