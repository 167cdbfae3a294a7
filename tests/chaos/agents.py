"""Agents and a tool whose every effect leaves a line in a file: loaded by the workers of a world.

A line is JSON: the effect's idempotency key, what it was, when (microseconds of the machine's
monotonic clock, which no test turns) and in which process. Options of an agent are the JSON in its task's instructions.
"""

import asyncio
import json
import os
import time
from pathlib import Path

from nexus.agents import Brief, Context, Effect, agent, tool
from nexus.errors import PermanentFailure
from nexus.tools.scope import ToolScope
from tests.support.waiting import until

EFFECTS = "CHAOS_EFFECTS"
"""The environment variable with the file's path."""

LINGERING = "lingering-"
"""How the file of a call begins that is long; it ends with the number of the process."""


def write_effect(key: str, what: str) -> None:
    """Append a line whole: many processes write to the same file."""
    line = {"key": key, "what": what, "at_us": time.monotonic_ns() // 1_000, "pid": os.getpid()}
    descriptor = os.open(os.environ[EFFECTS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


@tool(effect=Effect.IDEMPOTENT)
async def leave_mark(scope: ToolScope, text: str, idempotency_key: str) -> str:
    """Leave a mark that can be counted."""
    write_effect(idempotency_key, text)
    return f"marked {text}"


@agent("marker", description="A model with a tool whose effects are counted", tools=("leave_mark",))
async def marker(brief: Brief, context: Context) -> str:
    from nexus.agents.model_agent import ModelAgent

    return await ModelAgent("qa", ("leave_mark",)).run(brief, context)


@agent("divider", description="A model that delegates", tools=("delegate",))
async def divider(brief: Brief, context: Context) -> str:
    from nexus.agents.model_agent import ModelAgent

    return await ModelAgent("qa", ("delegate",)).run(brief, context)


@agent("walker", description="Takes steps, each with an effect, and rests after each")
async def walker(brief: Brief, context: Context) -> str:
    options = json.loads(brief.instructions)
    for number in range(options["steps"]):
        await context.step(f"step {number}", _step, context.subtask_id, number)
        await asyncio.sleep(options.get("rest_seconds", 0))
    return f"{brief.task.key} walked"


def _step(subtask_id: str, number: int) -> int:
    write_effect(f"{subtask_id}/step {number}", "step")
    return number


@agent("waiter", description="Takes a step, and ends when a file is there")
async def waiter(brief: Brief, context: Context) -> str:
    options = json.loads(brief.instructions)
    await context.step("begin", _step, context.subtask_id, 0)
    await until(Path(options["gate"]).exists, timeout=options.get("limit_seconds", 120))
    return f"{brief.task.key} waited"


@tool(effect=Effect.UNSAFE)
async def post_letter(scope: ToolScope, gate: str, idempotency_key: str) -> str:
    """Send a letter, and say so when a file is there."""
    write_effect(idempotency_key, "letter")
    await until(Path(gate).exists, timeout=120)
    return "sent"


@agent("postal", description="Calls an unsafe tool once")
async def postal(brief: Brief, context: Context) -> str:
    told = await context.call_tool("post_letter", gate=brief.instructions)
    return f"the tool said: {json.dumps(told)}"


@tool(effect=Effect.IDEMPOTENT)
async def linger(scope: ToolScope, gate: str, idempotency_key: str) -> str:
    """Leave a mark, and say so when a file is there."""
    return await _linger(gate, idempotency_key)


async def _linger(gate: str, key: str) -> str:
    """Beside the gate lies a file for as long as this runs."""
    write_effect(key, "linger")
    here = Path(gate).with_name(f"{LINGERING}{key.replace('/', ':')}-{os.getpid()}")
    here.touch()
    try:
        await until(Path(gate).exists, timeout=120)
    finally:
        here.unlink()
    return "lingered"


@agent("lingerer", description="Is long in a tool, or in a step")
async def lingerer(brief: Brief, context: Context) -> str:
    options = json.loads(brief.instructions)
    if options["in"] == "tool":
        told = await context.call_tool("linger", gate=options["gate"])
    else:
        told = await context.step(
            "linger", _linger, options["gate"], f"{context.subtask_id}/linger"
        )
    return f"{brief.task.key}: {told}"


@tool(effect=Effect.READ)
async def pour(scope: ToolScope, megabytes: int) -> str:
    """Return so much text."""
    return "poured " * (megabytes * 1_000_000 // 7)


@agent("pourer", description="A model with a tool that returns a lot", tools=("pour",))
async def pourer(brief: Brief, context: Context) -> str:
    from nexus.agents.model_agent import ModelAgent

    return await ModelAgent("qa", ("pour",)).run(brief, context)


@agent("wordy", description="Fails, and says why at length")
async def wordy(brief: Brief, context: Context) -> str:
    raise PermanentFailure(f"{brief.task.key} failed: {'again and ' * 180}again")
