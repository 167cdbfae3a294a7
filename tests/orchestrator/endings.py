"""What a claim comes to when all goes well, by its kind."""

from nexus.domain.graph import compile_plan
from nexus.domain.plan import Plan
from nexus.domain.states import SubtaskKind
from nexus.domain.verdict import Finding, Verdict
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.outcomes import Outcome
from tests.domain.plans import AGENTS

SMALL_PLAN = Plan.model_validate(
    {"phases": [{"key": "p", "title": "P", "tasks": [{"key": "t", "title": "T", "agent": "echo"}]}]}
)
ACCEPTED = Verdict(
    accepted=True, findings=(Finding(criterion="It is done.", met=True, evidence="done"),)
)


def good(claimed: Claimed) -> Outcome:
    """What a claim comes to when all goes well."""
    if claimed.kind in (SubtaskKind.PLAN, SubtaskKind.REPLAN):
        amends = claimed.kind is SubtaskKind.REPLAN
        return Outcome("{}", SMALL_PLAN, compile_plan(SMALL_PLAN, AGENTS), amends=amends)
    if claimed.kind is SubtaskKind.REVIEW:
        return Outcome(verdict=ACCEPTED)
    if claimed.kind is SubtaskKind.DELEGATED:
        return Outcome("done", is_part=True)
    return Outcome("done", is_reviewed=bool(claimed.material and claimed.material.is_reviewed))
