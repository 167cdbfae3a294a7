"""Citations from what an agent is shown to the sources of a deliverable, and those that are made up."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.chat.talking import serving, speaking
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.chroma import ChromaServer
from tests.support.rig import Rig, open_rig
from tests.support.waiting import until

QUESTION = "What does the harbour bridge cost?"
TEXT = b"The harbour bridge costs 1111 thalers."
CRITERION = "It names the price."
INVENTED = "[p00000000]"
CITE = re.compile(r'<passage title="bridge.txt"[^>]* cite="(\[p[0-9a-f]{8}\])"')


class Line:
    """The model of every agent: keeps what each was asked; `write` is the research agent's."""

    def __init__(self, write: Callable[[str, int], Reply]) -> None:
        self.write = write
        self.asked: dict[str, list[str]] = {}

    def __call__(self, request: dict[str, Any]) -> Reply:
        messages = request["messages"]
        agent = re.match(r"You are the (\w+) agent", messages[0]["content"])
        prompt = str(messages[-1]["content"])
        prompts = self.asked.setdefault(agent[1] if agent else "", [])
        prompts.append(prompt)
        if agent and agent[1] == "qa":
            finding = {"criterion": 1, "met": True, "evidence": "1111 thalers", "fix": ""}
            return ToolCalls((("submit_verdict", {"accepted": True, "findings": [finding]}),))
        if agent and agent[1] == "content":
            return f"# Report\n\n{re.findall(r'It costs .*', prompt)[0]}"
        return self.write(prompt, len(prompts))


def honest(prompt: str) -> str:
    return f"It costs 1111 thalers {CITE.findall(prompt)[0]}."


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as opened:
        yield opened


@pytest.fixture
async def rig(
    tmp_path: Path, database_url: str, redis_url: str, model: ScriptedModel
) -> AsyncIterator[Rig]:
    chroma = ChromaServer(tmp_path / "chroma")
    places = {"database_url": database_url, "redis_url": redis_url, "chroma_url": chroma.start()}
    told = {"model": "openai:any", "openai_base_url": model.base_url}
    async with open_rig(tmp_path, **places, **told) as opened:
        yield opened
    chroma.stop()


@asynccontextmanager
async def at_work(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the API with a worker and one document that has been read."""
    async with serving(rig) as app, speaking(rig, app) as client, rig.worker():
        await client.post("/documents", files={"file": ("bridge.txt", TEXT)})

        async def is_ready() -> bool:
            (shown,) = (await client.get("/documents")).json()["items"]
            return bool(shown["status"] == "ready")

        await until(is_ready, timeout=30)
        yield client


async def deliver(client: httpx2.AsyncClient, *tasks: dict[str, Any]) -> dict[str, Any]:
    """Run a project to its end; return its deliverable."""
    plan = {"phases": [{"key": "p", "title": "P", "tasks": list(tasks)}]}
    body = {"goal": QUESTION, "plan": plan, "auto_execute": True}
    project = (await client.post("/projects", json=body)).json()["id"]

    async def is_over() -> bool:
        state = (await client.get(f"/projects/{project}")).json()["status"]
        return state in ("succeeded", "failed")

    await until(is_over, timeout=30)
    as_json = {"Accept": "application/json"}
    made: dict[str, Any] = (
        await client.get(f"/projects/{project}/deliverable", headers=as_json)
    ).json()
    return made


def research(**fields: Any) -> dict[str, Any]:
    given = {"key": "cost", "title": "Cost", "agent": "research", "instructions": QUESTION}
    return {**given, "acceptance": [CRITERION], **fields}


async def test_a_made_up_citation_is_caught_by_the_review(rig: Rig, model: ScriptedModel) -> None:
    line = model.script = Line(
        lambda prompt, times: f"It costs 1111 {INVENTED}." if times == 1 else honest(prompt)
    )
    async with at_work(rig) as client:
        made = await deliver(client, research(review=True))
        found = await client.post("/memory/search", json={"query": QUESTION})
    assert made["status"] == "succeeded"
    first, second = line.asked["qa"]
    assert f"<citations>\n- {INVENTED}: points to nothing" in first
    assert "bridge.txt, line 1" in second
    assert INVENTED not in second.partition("<submission>")[2]
    assert INVENTED in line.asked["research"][1].partition("<findings>")[2]
    (source,) = made["sources"]
    (passage,) = found.json()["items"]
    assert source["passage_id"] == passage["id"]
    assert source["document_id"] == passage["document_id"]
    assert made["lost"] == []
    assert made["markdown"] == (
        "It costs 1111 thalers [1].\n\n## Sources cited\n\n1. bridge.txt, line 1\n"
    )


async def test_without_a_review_the_deliverable_says_so(rig: Rig, model: ScriptedModel) -> None:
    model.script = Line(lambda prompt, _: f"{honest(prompt)[:-1]} {INVENTED}.")
    async with at_work(rig) as client:
        made = await deliver(client, research())
    assert made["lost"] == ["p00000000"]
    assert made["markdown"].startswith("It costs 1111 thalers [1] [?].\n\n## Sources cited\n")
    assert f"- [?]: {INVENTED} points to nothing" in made["markdown"]


async def test_marks_outlive_other_tasks_and_memories_name_their_sources(
    rig: Rig, model: ScriptedModel
) -> None:
    model.script = Line(lambda prompt, _: honest(prompt))
    report = {"key": "report", "title": "Report", "agent": "content", "instructions": "Write."}
    async with at_work(rig) as client:
        made = await deliver(client, research(), {**report, "depends_on": ["cost"]})
        assert made["markdown"].startswith("# Report\n\nIt costs 1111 thalers [1].\n")
        assert [one["title"] for one in made["sources"]] == ["bridge.txt"]

        async def is_remembered() -> bool:
            return bool((await client.get("/memory")).json()["items"])

        await until(is_remembered, timeout=30)
        (memory,) = (await client.get("/memory")).json()["items"]
        whole = (await client.get(f"/memory/{memory['id']}")).json()
    assert "It costs 1111 thalers [bridge.txt, line 1]." in json.dumps(whole)


async def test_a_conversation_is_shown_no_marks(rig: Rig, model: ScriptedModel) -> None:
    line = model.script = Line(lambda prompt, _: "It costs 1111 thalers.")
    async with at_work(rig) as client:
        await client.post("/agents/research/chat", json={"message": QUESTION}, timeout=30)
    assert "<passage " in line.asked["research"][0]
    assert "cite=" not in line.asked["research"][0]
