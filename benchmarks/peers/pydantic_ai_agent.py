"""A bare pydantic-ai agent: nothing of it is durable, the least an agent of it costs."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.peers.frame import Engine, Job, main
from benchmarks.shapes import Shape


async def note(line: str) -> str:
    """Take a note."""
    return "noted"


class Agents:
    """Runs conversations one after the other."""

    def __init__(self, job: Job) -> None:
        self._provider = OpenAIProvider(base_url=job.model_url, api_key="none")

    async def graph(self, name: str, shape: Shape) -> float:
        raise NotImplementedError("an agent is no graph")

    async def agents(self, count: int, rounds: int) -> float:
        """Converse."""
        model = OpenAIChatModel(f"rounds-{rounds}", provider=self._provider)
        agent = Agent(model, tools=[note])
        begun = time.perf_counter()
        for _ in range(count):
            await agent.run("Do as the model says.")
        return time.perf_counter() - begun


@asynccontextmanager
async def open_agents(job: Job) -> AsyncIterator[Engine]:
    """There is nothing to open."""
    yield Agents(job)


if __name__ == "__main__":
    main(open_agents)
