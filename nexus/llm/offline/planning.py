"""The plan the offline manager makes: research per aspect, data per table, a check, the report.

The report is the only task that nothing depends on, because the deliverable is made of such tasks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from nexus.domain.plan import Execution, Phase, Plan, PlanTask
from nexus.llm.offline.goal import Goal, heading_of, read_goal
from nexus.llm.offline.prompt import Prompt, Source
from nexus.llm.offline.words import STOPWORDS, shorten, tokens

MAX_ASPECTS: Final = 6
MAX_TABLES: Final = 8
BUILTIN: Final = frozenset({"manager", "research", "code", "content", "data", "qa", "memory"})
PROGRAM_WORDS: Final = re.compile(
    r"\b(?:program|script|function|source code|codebase|unit tests?|refactor|implement|debug)\b",
    re.IGNORECASE,
)
INSTRUCTION_LIMIT: Final = 6_000


@dataclass(slots=True)
class _Keys:
    """Hands out task keys, each once."""

    taken: set[str] = field(default_factory=set)

    def take(self, wish: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", wish).strip("-").lower()[:48].strip("-") or "part"
        key, number = stem, 2
        while key in self.taken:
            key, number = f"{stem}-{number}", number + 1
        self.taken.add(key)
        return key


def make_plan(prompt: Prompt) -> Plan:
    """Plan a goal from its sentences and the documents at hand."""
    goal = read_goal(prompt.goal)
    usable = frozenset(prompt.agents) - {"manager"} or BUILTIN - {"manager"}
    keys = _Keys({"check", "report"})
    phases: list[Phase] = []
    if "research" in usable:
        tasks = [_research(keys, aspect, prompt.texts) for aspect in _aspects(goal, prompt)]
        if tasks:
            phases.append(Phase(key="research", title="Research", tasks=tasks))
    if "data" in usable and prompt.tables:
        tasks = [_data(keys, group, goal) for group in _grouped(prompt.tables, MAX_TABLES)]
        phases.append(Phase(key="data", title="Data", tasks=tasks))
    others = [_other(keys, name, prompt.goal) for name in _called_for(prompt.goal, usable)]
    if others:
        phases.append(Phase(key="more", title="Further work", tasks=others))
    made = [task.key for phase in phases for task in phase.tasks]
    if "qa" in usable and len(made) > 1:
        check = _check(made)
        phases.append(Phase(key="check", title="Check of the evidence", tasks=[check]))
        made.append(check.key)
    writer = next(name for name in ("content", "research", *sorted(usable)) if name in usable)
    phases.append(
        Phase(key="writing", title="Writing", tasks=[_report(goal, made, writer, prompt)])
    )
    return Plan(execution=_execution(phases), phases=phases)


def smallest_plan(prompt: Prompt) -> Plan:
    """One task that writes the report: what is left when a plan of ours was refused."""
    usable = frozenset(prompt.agents) - {"manager"} or BUILTIN - {"manager"}
    writer = "content" if "content" in usable else min(usable)
    task = _report(read_goal(prompt.goal), [], writer, prompt)
    return Plan(phases=[Phase(key="writing", title="Writing", tasks=[task])])


def _execution(phases: Sequence[Phase]) -> Execution:
    """Every dependency is named, so phases need no barrier; a plan of one phase has none anyway."""
    return Execution.PARALLEL if len(phases) > 1 else Execution.SEQUENTIAL


def _aspects(goal: Goal, prompt: Prompt) -> list[str]:
    """Say what to research, one aspect each; many are put together, none is dropped."""
    aspects = list(goal.aspects)
    if prompt.tables and not prompt.texts:
        return []
    if not prompt.tables:
        aspects += goal.figures
    if not aspects:
        aspects = list(goal.form[:1]) or [goal.subject]
    if len(aspects) > MAX_ASPECTS:
        return [" ".join(group) for group in _grouped(aspects, MAX_ASPECTS)]
    return aspects


Item = TypeVar("Item")


def _grouped(items: Sequence[Item], most: int) -> list[list[Item]]:
    """Part a sequence into at most `most` runs of nearly equal length, order kept."""
    count = min(len(items), most)
    return [
        list(items[len(items) * at // count : len(items) * (at + 1) // count])
        for at in range(count)
    ]


def _research(keys: _Keys, aspect: str, texts: Sequence[Source]) -> PlanTask:
    where = (
        f"Search the {len(texts)} text documents at hand."
        if len(texts) > 1
        else "Search the documents at hand."
    )
    return PlanTask(
        key=keys.take("-".join(["research", *_telling(aspect)])),
        title=heading_of(aspect) or "Research",
        agent="research",
        instructions=(
            f"Question: {shorten(aspect, INSTRUCTION_LIMIT)}\n"
            f"{where} Quote the sentences that answer best, word for word, each with its source. "
            "Name what the documents do not answer."
        ),
        acceptance=[
            "Every quotation is word for word and carries its source as [title, place].",
            "What the documents do not answer is named.",
        ],
    )


def _data(keys: _Keys, tables: Sequence[Source], goal: Goal) -> PlanTask:
    names = ", ".join(table.file for table in tables)
    wish = shorten(" ".join(goal.figures or goal.aspects) or goal.subject, INSTRUCTION_LIMIT)
    return PlanTask(
        key=keys.take("data-" + tables[0].file.rsplit("/", 1)[-1].rsplit(".", 1)[0]),
        title=shorten("Figures from " + ", ".join(table.title for table in tables), 150),
        agent="data",
        instructions=(
            f"Question: {wish}\n"
            f"Tables: {names}\n"
            "Compute, do not estimate: rows, missing values, mean, spread, median and range of every "
            "measure, and the same by the groups the question speaks of."
        ),
        acceptance=[
            "The file, its number of rows and its missing values are stated.",
            "Every mean is given with the number of values it rests on.",
        ],
    )


def _called_for(goal: str, usable: frozenset[str]) -> list[str]:
    """Name the further agents a goal asks for: declared ones by name, `code` by its subject."""
    said = set(tokens(goal))
    named = [name for name in sorted(usable - BUILTIN) if set(tokens(name)) <= said]
    if "code" in usable and PROGRAM_WORDS.search(goal):
        named.append("code")
    return named[:MAX_ASPECTS]


def _other(keys: _Keys, agent: str, goal: str) -> PlanTask:
    return PlanTask(
        key=keys.take(agent),
        title="Program" if agent == "code" else shorten(f"Work of {agent}", 150),
        agent=agent,
        instructions=f"Do your part of the goal: {shorten(goal, INSTRUCTION_LIMIT)}",
        acceptance=["The result can be used in the report without the conversation that made it."],
    )


def _check(made: Sequence[str]) -> PlanTask:
    return PlanTask(
        key="check",
        title="Check of the evidence",
        agent="qa",
        instructions=(
            "Check the work so far: find every quotation again in the documents, see that it names "
            "its source, and that every table of figures names its file and the values it rests on."
        ),
        acceptance=["Every quotation was looked up.", "What could not be confirmed is named."],
        depends_on=list(made),
    )


def _report(goal: Goal, made: Sequence[str], writer: str, prompt: Prompt) -> PlanTask:
    asked = " ".join(goal.form) or prompt.goal
    return PlanTask(
        key="report",
        title=goal.subject,
        agent=writer,
        instructions=(
            f"Write the result for the reader: {shorten(asked, INSTRUCTION_LIMIT)}\n"
            "Use only the work handed to you. Keep quotations and figures exactly as they are, with "
            "their sources."
        ),
        acceptance=[
            "It has a title, a summary, one section for each part of the work, and its sources.",
            "Every figure and quotation comes from the work handed over.",
            "It says what is missing.",
        ],
        depends_on=list(made),
    )


def _telling(text: str) -> list[str]:
    """Choose up to three telling words, in the text's order, to name a task."""
    words = [w for w in tokens(text) if w.isascii() and len(w) > 3 and w not in STOPWORDS]
    return list(dict.fromkeys(words))[:3]
