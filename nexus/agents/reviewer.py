"""The qa agent as a reviewer: an output in, a verdict on every criterion out.

Its model hands the verdict over with a tool, or as text; what cannot be used is shown to the
model, which may mend it twice. No verdict is a failed attempt, never an acceptance. A citation
that points to nothing is found by a rule, whatever the model says.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from pydantic_ai import Agent, ModelRetry, RunContext, StructuredDict, TextOutput, ToolOutput

from nexus.agents.context import Context
from nexus.agents.conversation import converse
from nexus.agents.instructions import render
from nexus.agents.prompt import is_large, review_prompt
from nexus.agents.retrieval import retrieve
from nexus.agents.toolset import MAX_BAD_CALLS, GrantedTools
from nexus.agents.verdicts import SUBMIT, VERDICT_SCHEMA, NoVerdict, build_verdict, read_text
from nexus.domain.verdict import Verdict, criteria_of, with_lost_citations
from nexus.domain.work import Brief
from nexus.errors import OutputInvalid

MAX_REPAIRS: Final = 2
CHECKER: Final = "qa"


@dataclass(slots=True)
class Reviewer:
    """Judges the submission of a brief with the tools it is granted."""

    tools: tuple[str, ...]
    _last_problem: str = ""

    async def run(self, brief: Brief, context: Context) -> str:
        """Return the verdict as JSON text.

        Raises:
            OutputInvalid: no usable verdict came out of the first answer and two repairs.
        """
        from nexus.tools.registry import tools

        criteria = criteria_of(brief.acceptance, brief.task.title)
        quotes = await retrieve(brief, context)
        agent: Agent[Context, dict[str, Any]] = Agent(
            deps_type=Context,
            output_type=[
                ToolOutput(
                    StructuredDict(VERDICT_SCHEMA),
                    name=SUBMIT,
                    description="Hand over the finished verdict.",
                    strict=False,
                ),
                TextOutput(self._read),
            ],
            toolsets=[GrantedTools(self.tools, tools())],
            retries={"tools": MAX_BAD_CALLS, "output": MAX_REPAIRS},
        )
        verdicts: list[Verdict] = []

        @agent.output_validator
        def check(_: RunContext[Context], draft: dict[str, Any]) -> dict[str, Any]:
            try:
                verdicts.append(build_verdict(draft, criteria))
            except NoVerdict as wrong:
                raise self._retry(wrong) from wrong
            return draft

        instructions = render("review", tools=self.tools, submit=SUBMIT)
        prompt = (
            await asyncio.to_thread(review_prompt, brief, criteria, quotes)
            if is_large(brief)
            else review_prompt(brief, criteria, quotes)
        )
        try:
            await converse(agent, prompt, context, instructions=instructions)
        except OutputInvalid as wrong:
            raise self._explain(wrong) from wrong
        if brief.task.agent == CHECKER:  # what names lost citations of others has them too
            return verdicts[-1].model_dump_json()
        return with_lost_citations(verdicts[-1], brief.citations).model_dump_json()

    def _read(self, text: str) -> dict[str, Any]:
        try:
            return read_text(text)
        except NoVerdict as wrong:
            raise self._retry(wrong) from wrong

    def _retry(self, wrong: NoVerdict) -> ModelRetry:
        self._last_problem = str(wrong)
        return ModelRetry(self._last_problem)

    def _explain(self, wrong: OutputInvalid) -> OutputInvalid:
        why = " ".join(self._last_problem.split()) or wrong.message
        return OutputInvalid(
            f"the review came to no verdict that can be used, after {MAX_REPAIRS} repairs: {why}"[
                :1_000
            ],
            hint="retry, or use another model",
        )
