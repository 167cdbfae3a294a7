"""LangGraph's StateGraph with `durability="sync"`: each superstep is saved before the next begins.

A node is a step; the state is a counter, the least a graph can carry. Agents are a model node
and the prebuilt ToolNode.
"""

import operator
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from benchmarks.peers.frame import Engine, Job, main, rest
from benchmarks.shapes import Shape, Step


class State(TypedDict):
    """How many steps are done."""

    done: Annotated[int, operator.add]


@tool
async def note(line: str) -> str:
    """Take a note."""
    return "noted"


class Graphs:
    """Compiles shapes and runs them over one checkpointer."""

    def __init__(self, job: Job, saver: Any) -> None:
        self._job = job
        self._saver = saver

    def _node(self, step: Step) -> Callable[[State], Awaitable[State]]:
        async def node(state: State) -> State:
            await rest(step, self._job.log)
            return {"done": 1}

        return node

    async def graph(self, name: str, shape: Shape) -> float:
        """Run a shape; with `resume`, go on with what its thread has saved."""
        builder = StateGraph(State)
        for step in shape:
            builder.add_node(step.key, self._node(step))
        for step in shape:
            after = list(step.after)
            builder.add_edge(after if len(after) > 1 else (after[0] if after else START), step.key)
        compiled = builder.compile(checkpointer=self._saver)
        given = None if self._job.resume else {"done": 0}
        begun = time.perf_counter()
        ended = await compiled.ainvoke(given, _thread(name), durability="sync")
        seconds = time.perf_counter() - begun
        if ended["done"] != len(shape):
            raise RuntimeError(f"{ended['done']} of {len(shape)} steps were done")
        return seconds

    async def agents(self, count: int, rounds: int) -> float:
        """Converse, each conversation in a thread of its own."""
        model = ChatOpenAI(model=f"rounds-{rounds}", base_url=self._job.model_url, api_key="none")
        bound = model.bind_tools([note])

        async def call(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await bound.ainvoke(state["messages"])]}

        builder = StateGraph(MessagesState)
        builder.add_node("model", call)
        builder.add_node("tools", ToolNode([note]))
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
        builder.add_edge("tools", "model")
        compiled = builder.compile(checkpointer=self._saver)
        asked = {"messages": [("user", "Do as the model says.")]}
        begun = time.perf_counter()
        for at in range(count):
            name = f"agent-{count}-{rounds}-{at}"
            ended = await compiled.ainvoke(asked, _thread(name), durability="sync")
            if len(ended["messages"]) != 2 * rounds + 2:
                raise RuntimeError(f"{len(ended['messages'])} messages")
        return time.perf_counter() - begun


def _thread(name: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": name}, "recursion_limit": 10_000}


@asynccontextmanager
async def open_graphs(job: Job) -> AsyncIterator[Engine]:
    """Open the checkpointer."""
    saver = (
        AsyncSqliteSaver.from_conn_string(job.sqlite_path)
        if job.is_sqlite
        else AsyncPostgresSaver.from_conn_string(job.database)
    )
    async with saver as opened:
        await opened.setup()
        yield Graphs(job, opened)


if __name__ == "__main__":
    main(open_graphs)
