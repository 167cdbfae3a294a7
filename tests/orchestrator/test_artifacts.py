"""What agents write through their tools becomes artifacts, each told by an event."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from nexus.models.projects import Artifact
from nexus.orchestrator.folders import folder_of
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.rig import Rig, open_rig, plan, task

CODE = """
import os
os.makedirs('out', exist_ok=True)
os.makedirs('__pycache__', exist_ok=True)
open('out/made.csv', 'w').write('a,b\\n1,2\\n')
open('.hidden', 'w').write('x')
open('__pycache__/x.pyc', 'w').write('x')
open('notes.md', 'a').write(' and more')
open('was-there.txt').read()
"""


@pytest.fixture
async def asking(
    tmp_path: Path, database_url: str, redis_url: str
) -> AsyncIterator[tuple[Rig, ScriptedModel]]:
    """A rig whose model is the scripted one."""
    async with (
        ScriptedModel() as server,
        open_rig(
            tmp_path,
            database_url=database_url,
            redis_url=redis_url,
            model="openai:scripted",
            openai_base_url=server.base_url,
        ) as rig,
    ):
        yield rig, server


async def kept(rig: Rig, project: str) -> dict[str, Artifact]:
    async with rig.parts.database.read() as session:
        rows = await session.execute(select(Artifact).where(Artifact.project_id == project))
        return {row.path: row for row in rows.scalars()}


async def test_files_of_tools_are_artifacts_with_their_events(
    asking: tuple[Rig, ScriptedModel],
) -> None:
    rig, server = asking
    calls = [
        ToolCalls((("write_file", {"path": "./notes.md", "content": "noted"}),)),
        ToolCalls((("write_file", {"path": "../escaped.md", "content": "noted"}),)),
        ToolCalls((("run_python", {"code": CODE}),)),
        ToolCalls((("run_python", {"code": "print('nothing written')"}),)),
    ]

    def script(request: dict[str, Any]) -> Reply:
        done = sum(message["role"] == "tool" for message in request["messages"])
        return calls[done] if done < len(calls) else "done"

    server.script = script
    project = await rig.create(plan(task("one", "code")))
    folder = folder_of(rig.settings.data, "default", project)
    folder.mkdir(parents=True)
    (folder / "was-there.txt").write_text("old")
    await rig.parts.engine.run(lambda turn: rig.parts.engine.dispatch(turn, "default", project))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"

    made = await kept(rig, project)
    assert {path: row.bytes for path, row in made.items()} == {"notes.md": 14, "out/made.csv": 8}
    assert made["notes.md"].sha256 == sha256(b"noted and more").hexdigest()
    assert {row.task_id for row in made.values()} == {(await rig.tasks(project))["one"].id}
    told = [
        (event.data["path"], event.data["bytes"], event.task_id is not None)
        for event in await rig.events(project)
        if event.type == "artifact.written"
    ]
    assert told == [("notes.md", 5, True), ("notes.md", 14, True), ("out/made.csv", 8, True)]
