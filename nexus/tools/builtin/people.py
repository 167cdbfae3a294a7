"""The tool that asks a person; the engine puts the question, so its function never runs."""

from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.scope import ToolScope
from nexus.tools.spec import Caution, tool


@tool(effect=Effect.READ, caution=Caution.ASKS)
async def ask_person(scope: ToolScope, question: str) -> Json:
    """Ask the person you work for one question and wait for the answer, which may take long.

    Only when the task cannot be done without it: a choice that is theirs, or a fact that
    neither the inputs nor your other tools hold. Ask everything at once.
    """
    raise ToolRefused("ask_person: the question could not be put to anybody")
