"""Parts of a subtask's work that its agent hands to others: pure data, and the check of what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nexus.errors import FieldProblem, InvalidInput

DELEGATE: Final = "delegate"
"""The name of the tool, and of the call in the journal."""
MOST_PARTS: Final = 50
MOST_INSTRUCTIONS: Final = 20_000
MOST_TITLE: Final = 200
FIELDS: Final = frozenset({"agent", "instructions", "title"})


@dataclass(frozen=True, slots=True)
class Part:
    """One delegated part: who is to do it, what is to be done, and what it is called."""

    agent: str
    instructions: str
    title: str

    def document(self) -> dict[str, str]:
        """Write it as the journal shows it."""
        return {"title": self.title, "agent": self.agent, "instructions": self.instructions}


def check_parts(given: Sequence[str | Mapping[str, object]], own_agent: str) -> tuple[Part, ...]:
    """Read what an agent asks for; a text stands for the instructions of a part.

    Args:
        own_agent: does the parts that name no agent.

    Raises:
        InvalidInput: it is no list of 1 to MOST_PARTS such parts.
    """
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise InvalidInput("delegate takes a list of at least one part")
    if len(given) > MOST_PARTS:
        raise InvalidInput(
            f"delegate takes at most {MOST_PARTS} parts at once, not {len(given)}",
            hint="make the parts larger, or delegate the rest when these are done",
        )
    problems: list[FieldProblem] = []
    parts = [_part(one, at, own_agent, problems) for at, one in enumerate(given)]
    if problems:
        first = problems[0]
        raise InvalidInput(f"{first.place}: {first.message}", problems=tuple(problems[:20]))
    return tuple(parts)


def _part(
    one: str | Mapping[str, object], at: int, own_agent: str, problems: list[FieldProblem]
) -> Part:
    asked: Mapping[str, object] = {"instructions": one} if isinstance(one, str) else one
    if not isinstance(asked, Mapping):
        problems.append(FieldProblem(f"parts[{at}]", "is neither a text nor a mapping"))
        return Part("", "", "")
    for name in sorted(map(str, asked.keys() - FIELDS)):
        problems.append(FieldProblem(f"parts[{at}].{name[:80]}", "there is no such field"))

    def read(name: str, otherwise: str, most: int) -> str:
        value = asked.get(name)
        text = otherwise if value is None else value
        if not isinstance(text, str) or not text.strip() or len(text) > most:
            wanted = f"has to be a text of 1 to {most:,} characters"
            problems.append(FieldProblem(f"parts[{at}].{name}", wanted))
            return ""
        return text

    return Part(
        read("agent", own_agent, MOST_TITLE),
        read("instructions", "", MOST_INSTRUCTIONS),
        read("title", f"Part {at + 1}", MOST_TITLE),
    )
