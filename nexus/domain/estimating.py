"""What carrying out a plan will roughly take: model calls and tokens, from typical conversations.

Pure; called where a plan is shown. Prices are another matter. What is assumed is told beside
the figures, because an estimate without its assumptions is a promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nexus.domain.plan import Plan, PlanTask

BYTES_PER_TOKEN: Final = 4
"""Of UTF-8: what tokenizers come to on English prose, and about right elsewhere."""
ROUNDS_WITH_TOOLS: Final = 3
SYSTEM_TOKENS: Final = 350
TOOL_TOKENS: Final = 90
RESULT_TOKENS: Final = 700
CALL_TOKENS: Final = 120
ANSWER_TOKENS: Final = 800
PASSAGE_TOKENS: Final = 1_800
VERDICT_TOKENS: Final = 400


@dataclass(frozen=True, slots=True)
class Load:
    """Model calls and what they read and write."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """The load of a plan; `own_code` counts the tasks of agents whose calls nobody can foresee."""

    load: Load
    own_code: int
    reviews: int


def forecast(plan: Plan, goal: str, tools: Mapping[str, int], *, has_documents: bool) -> Forecast:
    """Add up what the tasks of a plan will take.

    Args:
        tools: for each agent that is driven by a model, how many tools it is granted.
        has_documents: passages are looked up for every task.
    """
    load, own_code, reviews = Load(), 0, 0
    for _, _, task in plan.tasks():
        if task.agent not in tools:
            own_code += 1
            continue
        load += _task_load(task, goal, tools[task.agent], has_documents)
        if task.review:
            reviews += 1
            load += Load(1, SYSTEM_TOKENS + ANSWER_TOKENS + _asked(task, goal), VERDICT_TOKENS)
    return Forecast(load, own_code, reviews)


def assumptions(made: Forecast) -> list[str]:
    """Say what a forecast rests on, a sentence each."""
    said = [
        f"An agent with tools asks its model {ROUNDS_WITH_TOOLS} times, one without tools once, "
        "and nothing is tried again.",
        f"A token is {BYTES_PER_TOKEN} bytes of text; an answer has {ANSWER_TOKENS} tokens, the "
        f"result of a tool {RESULT_TOKENS}.",
    ]
    if made.reviews:
        said.append(f"{made.reviews} tasks are reviewed once and accepted.")
    if made.own_code:
        said.append(
            f"{made.own_code} tasks are done by code of yours; what models it asks is not counted."
        )
    return said


def count_tokens(text: str) -> int:
    """Estimate how many tokens a text has."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _task_load(task: PlanTask, goal: str, tools: int, has_documents: bool) -> Load:
    calls = ROUNDS_WITH_TOOLS if tools else 1
    first = SYSTEM_TOKENS + tools * TOOL_TOKENS + _asked(task, goal)
    first += len(task.depends_on) * ANSWER_TOKENS + has_documents * PASSAGE_TOKENS
    further = calls - 1
    grown = (RESULT_TOKENS + CALL_TOKENS) * further * calls // 2
    return Load(calls, first * calls + grown, CALL_TOKENS * further + ANSWER_TOKENS)


def _asked(task: PlanTask, goal: str) -> int:
    return count_tokens("\n".join((goal, task.title, task.instructions, *task.acceptance)))
