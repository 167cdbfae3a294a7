"""The ManagerAgent: a goal in, a plan document out.

Its model has one tool, whose arguments are the plan; a plan given as text is taken as well.
What cannot run is shown to the model, which may mend it twice.
"""

from dataclasses import dataclass
from typing import Any, Final

from pydantic_ai import Agent, ModelRetry, RunContext, StructuredDict, TextOutput, ToolOutput

from nexus.agents.context import Context
from nexus.agents.conversation import converse
from nexus.agents.drafting import PLAN_SCHEMA, SUBMIT, NotAPlan, build_plan, read_text
from nexus.agents.instructions import render
from nexus.agents.prompt import plan_prompt
from nexus.agents.retrieval import retrieve
from nexus.agents.spec import PLANNER
from nexus.domain.plan import Plan
from nexus.domain.work import Brief
from nexus.errors import LimitReached, OutputInvalid

MAX_REPAIRS: Final = 2


@dataclass(slots=True)
class ManagerAgent:
    """Plans with the agents it is told about: names to descriptions."""

    agents: dict[str, str]
    _last_problem: str = ""

    async def run(self, brief: Brief, context: Context) -> str:
        """Return the plan as JSON text, valid and compiled.

        Raises:
            OutputInvalid: no plan that can run came out of the first answer and two repairs.
            LimitReached: nor out of all the calls that planning may make.
        """
        quotes = await retrieve(brief, context)
        agent: Agent[Context, dict[str, Any]] = Agent(
            deps_type=Context,
            output_type=[
                ToolOutput(
                    StructuredDict(PLAN_SCHEMA),
                    name=SUBMIT,
                    description="Hand over the finished plan.",
                    strict=False,
                ),
                TextOutput(self._read),
            ],
            retries={"tools": MAX_REPAIRS, "output": MAX_REPAIRS},
        )
        plans: list[Plan] = []

        @agent.output_validator
        def check(_: RunContext[Context], draft: dict[str, Any]) -> dict[str, Any]:
            plans.append(self._build(draft))
            return draft

        try:
            await converse(
                agent,
                plan_prompt(brief, quotes, self.agents),
                context,
                instructions=render(PLANNER),
            )
        except LimitReached as wrong:
            raise self._give_up(wrong) from wrong
        except OutputInvalid as wrong:
            raise self._explain(wrong) from wrong
        return plans[-1].model_dump_json()

    def _read(self, text: str) -> dict[str, Any]:
        try:
            return read_text(text)
        except NotAPlan as wrong:
            raise self._retry(wrong) from wrong

    def _build(self, draft: dict[str, Any]) -> Plan:
        try:
            return build_plan(draft, frozenset(self.agents))
        except NotAPlan as wrong:
            raise self._retry(wrong) from wrong

    def _retry(self, wrong: NotAPlan) -> ModelRetry:
        self._last_problem = str(wrong)
        return ModelRetry(self._last_problem)

    def _explain(self, wrong: OutputInvalid) -> OutputInvalid:
        if not self._last_problem:
            return OutputInvalid(f"no plan was made: {wrong.message}", hint=wrong.hint)
        return OutputInvalid(
            f"no plan was made: the model's answer was no plan that can run, after {MAX_REPAIRS} "
            f"repairs: {self._first_line()}",
            hint="retry, state the goal more plainly, or use another model",
        )

    def _give_up(self, wrong: LimitReached) -> LimitReached:
        last = f"; its last answer: {self._first_line()}" if self._last_problem else ""
        return LimitReached(
            f"no plan was made: {wrong.message}{last}",
            hint="retry, state the goal more plainly, or use another model",
            code=wrong.reason,
        )

    def _first_line(self) -> str:
        lines = self._last_problem.splitlines()
        return next((line[2:] for line in lines if line.startswith("- ")), lines[0])
