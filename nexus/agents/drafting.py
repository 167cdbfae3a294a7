"""From a draft to a plan: lenient in form, strict in substance.

Pure; called by the ManagerAgent. Missing keys, stray fields and other spellings are mended;
what cannot run is listed, so that the model can mend it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from nexus.agents.criteria import with_criteria
from nexus.agents.spelling import Spelling
from nexus.domain.amending import link_phases
from nexus.domain.graph import compile_plan
from nexus.domain.plan import MAX_PROBLEMS, Phase, Plan, PlanTask, place_of, refuse
from nexus.errors import FieldProblem, InvalidInput
from nexus.llm.cleaning import clean

AMENDED: Final = "Send the whole plan again, corrected."
PLACEHOLDERS: Final = frozenset(
    {
        "…",
        "...",
        "what to find, from what, in which form",
        "what to write, from what, how long",
        "what to make, from what",
    }
)
"""What stands as instructions in the examples of the manager's prompts."""
COPIED: Final = "copied from the example; say what is to be done for this goal"


class NotAPlan(Exception):
    """What a model wrote is no plan that can run; the text tells it what to mend.

    `draft` is what it wrote, where that can be read at all.
    """

    def __init__(self, problem: str, draft: Mapping[str, Any] | None = None) -> None:
        super().__init__(problem)
        self.draft = draft


def build_plan(
    draft: Mapping[str, Any], agents: frozenset[str], finish: Callable[[Plan], Plan] | None = None
) -> Plan:
    """Check a draft and complete it.

    A task of a later sequential phase that names no dependency gets all tasks of the phase
    before: outputs travel along dependencies alone. Tasks without criteria get some.

    Args:
        finish: makes of the plan as written the one that is to run, where that is another.

    Raises:
        NotAPlan: listing every problem with its place.
    """
    try:
        plan = Plan.model_validate(_tidy(Spelling(agents).mend(_cleaned(draft)), Plan))
        _refuse_copies(plan)
        plan = with_criteria(link_phases(plan))
        plan = finish(plan) if finish else plan
        compile_plan(plan, agents)
    except ValidationError as wrong:
        problems = [f"{_place(error['loc'])}: {error['msg']}" for error in wrong.errors()]
    except InvalidInput as wrong:
        problems = [f"{problem.place}: {problem.message}" for problem in wrong.problems]
        problems = problems or [wrong.message]
    else:
        return plan
    listed = "\n".join(f"- {problem[:300]}" for problem in problems[:MAX_PROBLEMS])
    raise NotAPlan(f"The plan cannot run:\n{listed}\n{AMENDED}", draft)


def _refuse_copies(plan: Plan) -> None:
    """Refuse instructions that small models copy from the example they are shown.

    Raises:
        InvalidInput: naming each.
    """
    refuse(
        [
            FieldProblem(place_of(at, position, "instructions"), COPIED)
            for at, position, task in plan.tasks()
            if task.instructions.strip() in PLACEHOLDERS
        ]
    )


def _cleaned(draft: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = clean(dict(draft))
    return cleaned if isinstance(cleaned, dict) else {}


def _tidy(part: object, kind: type[Plan] | type[Phase] | type[PlanTask]) -> object:
    """Drop nulls and fields a plan does not have, at all three levels."""
    if not isinstance(part, Mapping):
        return part
    kept = {k: v for k, v in part.items() if k in kind.model_fields and v is not None}
    for field, inner in (("phases", Phase), ("tasks", PlanTask)):
        if isinstance(kept.get(field), list):
            kept[field] = [_tidy(item, inner) for item in kept[field]]
    return kept


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".")
