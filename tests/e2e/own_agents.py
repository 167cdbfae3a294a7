"""A user's own agents and tools, as a file beside `.env`: copied into the clone by the fixtures."""

from pathlib import Path

from nexus.agents import Brief, Context, Effect, agent, tool
from nexus.tools.scope import ToolScope


@tool(effect=Effect.IDEMPOTENT)
async def shout(scope: ToolScope, words: str) -> str:
    """Say words loudly."""
    return words.upper()


@agent("counter", description="Counts in a file how often its step really ran")
async def counter(brief: Brief, context: Context) -> str:
    """Take the step once; fail the first attempt after it."""
    count = await context.step("count", _count, brief.instructions)
    if context.attempt == 1:
        raise RuntimeError("the first attempt ends here")
    return f"{brief.goal} | {brief.task.key} | {sorted(brief.inputs.items())} | ran {count}"


def _count(path: str) -> int:
    file = Path(path)
    count = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(count))
    return count


@agent("loud", description="A model that can shout", tools=("shout",))
async def loud(brief: Brief, context: Context) -> str:
    """Ask the model, which has the tool of this file."""
    from nexus.agents.model_agent import ModelAgent

    return await ModelAgent("content", ("shout",)).run(brief, context)
