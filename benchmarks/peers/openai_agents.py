"""OpenAI Agents with its SQLite session, which keeps the conversation; tracing is off."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from benchmarks.peers.frame import Engine, Job, main
from benchmarks.shapes import Shape


@function_tool
async def note(line: str) -> str:
    """Take a note."""
    return "noted"


class Agents:
    """Runs conversations one after the other."""

    def __init__(self, job: Job, client: AsyncOpenAI) -> None:
        self._path = job.sqlite_path
        self._client = client

    async def graph(self, name: str, shape: Shape) -> float:
        raise NotImplementedError("an agent is no graph")

    async def agents(self, count: int, rounds: int) -> float:
        """Converse, each conversation in a session of its own."""
        model = OpenAIChatCompletionsModel(f"rounds-{rounds}", self._client)
        agent = Agent("bench", instructions="Be brief.", model=model, tools=[note])
        begun = time.perf_counter()
        for at in range(count):
            session = SQLiteSession(f"agent-{rounds}-{at}", self._path)
            await Runner.run(agent, "Do as the model says.", session=session, max_turns=100)
            session.close()
        return time.perf_counter() - begun


@asynccontextmanager
async def open_agents(job: Job) -> AsyncIterator[Engine]:
    """Open a client for the model."""
    set_tracing_disabled(True)
    async with AsyncOpenAI(base_url=job.model_url, api_key="none") as client:
        yield Agents(job, client)


if __name__ == "__main__":
    main(open_agents)
