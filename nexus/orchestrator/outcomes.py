"""What an attempt came to: pure data between the runner, the desk and settlement."""

from dataclasses import dataclass

from nexus.domain.graph import Graph
from nexus.domain.plan import Plan
from nexus.domain.seam import Json
from nexus.domain.text import clean
from nexus.domain.verdict import Verdict
from nexus.orchestrator.documents import Reading


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an attempt failed.

    `again`: another attempt may help; `own_making`: the model's own making, so its replies
    are asked for afresh; `is_chance`: nobody's making unless it repeats, so the first time
    needs no pause; `is_postponed`: to be done later, using up no attempt; `stops_clock`: nor
    time, so it is put off for as long as it takes.
    """

    code: str
    message: str
    hint: str | None = None
    again: bool = True
    own_making: bool = False
    retry_after_seconds: float | None = None
    is_chance: bool = False
    is_postponed: bool = False
    stops_clock: bool = False

    def error(self, task_id: str | None) -> dict[str, Json]:
        """Write it as the API shows errors."""
        return {
            "code": self.code,
            "message": clean(self.message)[:2_000],
            "task_id": task_id,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: an output, a plan, a verdict, passages of a document, or a problem.

    With a plan, `safe` says why it is the safe one, if it is, and `reason` what an amendment
    does differently.
    """

    output: str | None = None
    plan: Plan | None = None
    graph: Graph | None = None
    safe: str | None = None
    reason: str | None = None
    reading: Reading | None = None  # of a document
    amends: bool = False  # the plan takes the place of another
    verdict: Verdict | None = None
    is_reviewed: bool = False  # the output is to be reviewed before it counts
    is_chat: bool = False  # the output is an answer in a conversation
    is_part: bool = False  # the output is that of a delegated part
    is_apart: bool = False  # it belongs to no project, document or conversation
    problem: Problem | None = None

    @property
    def ends_task(self) -> bool:
        """Tell whether it is the output of a task, which it ends."""
        rare = self.graph, self.reading, self.verdict
        is_apart = self.is_apart or self.is_reviewed or self.is_part or self.is_chat
        return not is_apart and all(one is None for one in rare)
