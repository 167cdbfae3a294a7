"""The agents that the benchmarks' plans name; API and workers load them through NEXUS_PLUGINS.

`instructions` of a task is the number of seconds to wait, or JSON where an agent takes more.
"""

import asyncio
import json
import os
import time

from nexus.agents import Brief, Context, Effect, agent, tool
from nexus.tools.scope import ToolScope


@agent("bench_step", description="Waits as long as it is told")
async def bench_step(brief: Brief, context: Context) -> str:
    """Wait, and say so."""
    seconds = float(brief.instructions)
    if seconds:
        await asyncio.sleep(seconds)
    return "done"


@agent("bench_witness", description="Waits, and notes in a file that it began")
async def bench_witness(brief: Brief, context: Context) -> str:
    """Note the task's key and the time in one write, then wait."""
    told = json.loads(brief.instructions)
    line = f"{brief.task.key} {time.time():.6f}\n".encode()
    note = os.open(told["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(note, line)
    os.close(note)
    await asyncio.sleep(told["seconds"])
    return "done"


@tool(effect=Effect.READ)
async def bench_note(scope: ToolScope, line: str) -> str:
    """Take a note."""
    return "noted"


@agent("bench_rounds", description="A model that calls a tool until it has enough")
async def bench_rounds(brief: Brief, context: Context) -> str:
    """Converse with the model, which decides how often the tool is called."""
    from nexus.agents.model_agent import ModelAgent

    return await ModelAgent("content", ("bench_note",)).run(brief, context)


@agent("bench_answer", description="One question to a model")
async def bench_answer(brief: Brief, context: Context) -> str:
    """Ask once, without tools."""
    from nexus.agents.model_agent import ModelAgent

    return await ModelAgent("content", ()).run(brief, context)
