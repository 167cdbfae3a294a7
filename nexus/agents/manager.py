"""The ManagerAgent: a goal in, a plan document out; and the rest of a plan, where one stands.

Its model is asked in the best way its server takes. Where no plan comes of that, a small safe
one is made by rule, and said to be so: planning fails only when the model cannot be asked.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from nexus.agents.context import Context
from nexus.agents.drafting import build_plan
from nexus.agents.eliciting import Elicited, Wish, elicit
from nexus.agents.instructions import render
from nexus.agents.model_agent import ModelAgent
from nexus.agents.plan_schema import flat_schema, whole_schema
from nexus.agents.planning_prompt import planning_prompt
from nexus.agents.retrieval import retrieve
from nexus.agents.safe_plan import safe_plan
from nexus.agents.spec import PLANNER
from nexus.domain.amending import amend, keys_of
from nexus.domain.mending import failed_of, kept_of, mend
from nexus.domain.plan import Plan
from nexus.domain.planned import Planned, write_planned
from nexus.domain.work import Brief, Standing
from nexus.errors import InvalidInput

MOST_REASON: Final = 1_000
SPEAKS_WITH: Final = ("search_memory",)
"""The tools it has in a conversation; planning needs none."""


@dataclass(frozen=True, slots=True)
class ManagerAgent:
    """Plans with the agents it is told about: names to descriptions."""

    agents: dict[str, str]

    async def run(self, brief: Brief, context: Context) -> str:
        """Return a plan that compiles, as `nexus.domain.planned` writes it; to a person, an answer.

        Raises:
            TransientFailure, PermanentFailure: the model cannot be asked at all.
        """
        if brief.chat is not None:
            return await self._answer(brief, context)
        quotes = await retrieve(brief, context)
        prompt = partial(planning_prompt, brief, quotes, self.agents)
        if brief.standing is None:
            got = await elicit(self._wish(prompt), context, self._build)
            plan = got.plan or safe_plan(brief, self.agents)
            return write_planned(Planned(plan, safe=None if got.plan else got.why))
        standing = brief.standing
        got = await elicit(
            self._wish(prompt, amends=True), context, partial(self._build_rest, standing)
        )
        if got.plan:
            return write_planned(Planned(got.plan, reason=_reason(got)))
        return write_planned(Planned(self._mended(standing), safe=got.why))

    async def _answer(self, brief: Brief, context: Context) -> str:
        """Speak with a person about what could be planned; nothing is begun by it."""
        about = ModelAgent(PLANNER, SPEAKS_WITH, prompt=f"{PLANNER}_chat", colleagues=self.agents)
        return await about.run(brief, context)

    def _wish(self, prompt: "partial[str]", *, amends: bool = False) -> Wish:
        name = f"{PLANNER}_amend" if amends else PLANNER
        return Wish(
            prompt=prompt,
            instructions=render(name),
            plain_instructions=render(f"{name}_plain"),
            schema=whole_schema(self.agents, amends=amends),
            flat_schema=flat_schema(self.agents, amends=amends),
        )

    def _build(self, draft: dict[str, Any]) -> Plan:
        return build_plan(draft, frozenset(self.agents))

    def _build_rest(self, standing: Standing, draft: dict[str, Any]) -> Plan:
        """Make the amended plan of a draft of its rest."""
        kept = kept_of(standing.tasks)

        def finish(rest: Plan) -> Plan:
            _refuse_repetition(standing, rest)
            return amend(standing.plan, kept, rest, used=failed_of(standing.tasks))

        return build_plan(draft, frozenset(self.agents), finish)

    def _mended(self, standing: Standing) -> Plan:
        rest = mend(
            standing.plan, standing.tasks, comment=standing.comment, agents=frozenset(self.agents)
        )
        kept = kept_of(standing.tasks)
        return amend(standing.plan, kept, rest, used=failed_of(standing.tasks))


def _refuse_repetition(standing: Standing, rest: Plan) -> None:
    """Refuse a rest that brings nothing, or that has done again what failed, word for word.

    Raises:
        InvalidInput: naming the task; a person's comment may well ask for the same again.
    """
    kept = kept_of(standing.tasks)
    if all(key in kept for key in keys_of(rest)):
        raise InvalidInput("All of these tasks are done or under way. List the tasks that remain.")
    if standing.comment:
        return
    failed = {
        (task.agent, _plain(task.instructions)): task.key
        for _, _, task in standing.plan.tasks()
        if task.key in failed_of(standing.tasks)
    }
    for _, _, task in rest.tasks():
        known = failed.get((task.agent, _plain(task.instructions)))
        if known:
            raise InvalidInput(
                f"The task {task.key} does again, word for word, what failed as {known}. "
                "Do it in another way, or go without it."
            )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _reason(got: Elicited) -> str | None:
    given = (got.draft or {}).get("reason")
    return " ".join(given.split())[:MOST_REASON] or None if isinstance(given, str) else None
