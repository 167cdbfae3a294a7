"""Tool calls of a real worker: each is durable by itself."""

import json
import signal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from nexus.models.work import JournalRecord
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.databases import ON_SQLITE
from tests.support.rig import Rig, plan, task
from tests.support.waiting import until


async def records(rig: Rig) -> list[JournalRecord]:
    async with rig.parts.database.read() as session:
        rows = await session.execute(select(JournalRecord).order_by(JournalRecord.number))
        return list(rows.scalars())


@ON_SQLITE
async def test_killed_among_three_calls_only_the_missing_one_is_made(
    scripted: Rig, server: ScriptedModel, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    files = {name: tmp_path / name for name in "abc"}
    calls = [{"file": str(files["a"])}, {"file": str(files["b"])}]
    calls.append({"file": str(files["c"]), "gate": str(gate)})

    def script(request: dict[str, Any]) -> Reply:
        answers = [m["content"] for m in request["messages"] if m["role"] == "tool"]
        return ToolCalls(tuple(("tally", call) for call in calls)) if not answers else str(answers)

    server.script = script
    project = await scripted.start(plan(task("one", "content")))
    worker = scripted.worker_process()

    async def only_one_is_missing() -> bool:
        found = [one.status for one in await records(scripted) if one.kind == "tool"]
        return sorted(found) == ["begun", "recorded", "recorded"] and files["c"].exists()

    await until(only_one_is_missing, timeout=20)
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    gate.write_text("")
    scripted.worker_process()
    assert await scripted.end(project) == "succeeded"
    assert {name: file.read_text() for name, file in files.items()} == {
        "a": "1",
        "b": "1",
        "c": "2",
    }
    assert server.calls == 2
    assert (await scripted.outputs(project))["one"] == "['1', '1', '2']"


async def test_a_large_result_is_recorded_whole_and_read_in_part(
    scripted: Rig, server: ScriptedModel
) -> None:
    def script(request: dict[str, Any]) -> Reply:
        if request["messages"][-1]["role"] != "tool":
            return ToolCalls((("page_of", {"size": 10_000_000}),))
        return str(request["messages"][-1]["content"])[:200]

    server.script = script
    project = await scripted.start(plan(task("one", "content")))
    async with scripted.worker():
        assert await scripted.end(project) == "succeeded"
    said = (await scripted.outputs(project))["one"] or ""
    assert said.startswith("[excerpts: ")
    assert "to fit the model's window of 32,768 tokens]" in said
    [tool] = [one for one in await records(scripted) if one.kind == "tool"]
    assert tool.result_bytes == 10_000_002
    folder = scripted.settings.data / "results" / "default" / project
    assert (folder / f"{tool.result_sha256}.json").stat().st_size == tool.result_bytes


async def test_an_agent_in_python_calls_a_tool_once_and_for_ever(rig: Rig, tmp_path: Path) -> None:
    call = {"file": str(tmp_path / "count")}
    options = json.dumps({"calls": [call, call]})
    project = await rig.start(plan(task("one", "caller", instructions=options)))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"
    assert (await rig.outputs(project))["one"] == "[1, 2]"
    assert (tmp_path / "count").read_text() == "2"
    found = [(one.kind, one.name, one.effect, one.outcome) for one in await records(rig)]
    assert found == [("tool", "tally", "idempotent", "ok")] * 2
    assert [one.type for one in await rig.events(project)].count("tool.called") == 2
