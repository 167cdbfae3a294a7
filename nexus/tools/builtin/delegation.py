"""The tool that splits a task; the engine has the parts done, so its function never runs."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from nexus.domain.delegation import MOST_INSTRUCTIONS, MOST_PARTS, MOST_TITLE
from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.scope import ToolScope
from nexus.tools.spec import tool

SHORT: Final = Field(min_length=1, max_length=MOST_TITLE)


class PartOrder(BaseModel):
    """A part as a model asks for it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    instructions: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MOST_INSTRUCTIONS,
            description="All that whoever does it has to know: they do not see this conversation.",
        ),
    ]
    agent: Annotated[str | None, SHORT] = Field(
        default=None, description="Who does it; left out, an agent like yourself."
    )
    title: Annotated[str | None, SHORT] = None


@tool(effect=Effect.READ)
async def delegate(
    scope: ToolScope,
    parts: Annotated[list[PartOrder], Field(min_length=1, max_length=MOST_PARTS)],
) -> Json:
    """Have independent parts of your task done by other agents at the same time, and get their outputs.

    Only for work that really falls into parts none of which needs another's output. They see
    the task's inputs, documents and files, not this conversation. Ask for all parts in one
    call; you go on when all of them have ended. A part that failed says why in its error.
    """
    raise ToolRefused("delegate: the parts could not be given to anybody")
