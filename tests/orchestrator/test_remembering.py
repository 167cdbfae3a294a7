"""What finished projects leave in memory: once, with where it is from, the newer for the older."""

from functools import partial
from typing import Any

from nexus.domain.remembering import MemoryKind, MemorySource, Trust
from nexus.memory.catalogue import NewEntry
from nexus.memory.passages import MEMORIES, Where
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.memories import About, add_memory, forget_oldest
from nexus.orchestrator.unremembered import find_unremembered
from tests.scripted_model import ScriptedModel
from tests.support.rig import WORKSPACE, Rig, plan, task
from tests.support.waiting import until


async def _rows(rig: Rig, sql: str, *values: str) -> list[tuple[Any, ...]]:
    def act() -> Transaction[list[tuple[Any, ...]]]:
        rows = yield Query(sql, values)
        return [tuple(row) for row in rows]

    return await rig.parts.database.run(act)


async def _remembered(rig: Rig, project_id: str) -> None:
    """Have a project remembered, and wait until it is."""
    await rig.parts.engine.run(find_unremembered)

    async def done() -> bool:
        rows = await _rows(
            rig,
            "SELECT s.status FROM projects p JOIN subtasks s ON s.id = p.remembered_by "
            "WHERE p.id = $1",
            project_id,
        )
        return rows == [("succeeded",)]

    await until(done)


async def test_outputs_are_remembered_once_and_newer_ones_take_their_place(
    scripted: Rig, server: ScriptedModel
) -> None:
    rig = scripted
    report = plan(task("facts", "content"), task("report", "content", "facts"))
    functions = await rig.start(plan(task("alone")))
    texts = iter(
        [
            "facts",
            "The bridge is 120 metres long.",
            "facts",
            "The bridge is 120 metres long.",
            "facts",
            "The bridge is 130 metres long, they say.",
        ]
    )
    server.script = lambda request: next(texts)
    async with rig.worker():
        assert await rig.end(functions) == "succeeded"
        projects = []
        for _ in range(3):
            projects.append(await rig.start(report))
            assert await rig.end(projects[-1]) == "succeeded"
            await _remembered(rig, projects[-1])
        await rig.parts.engine.run(find_unremembered)
    assert await _rows(rig, "SELECT remembered_by FROM projects WHERE id = $1", functions) == [
        ("",)
    ]
    kept = await _rows(
        rig,
        "SELECT m.id, m.kind, m.trust, m.status, m.sources, m.superseded_by FROM memories m "
        "ORDER BY m.created_at",
    )
    older, newer = kept
    assert older[1:4] == ("output", "agent", "superseded")
    assert projects[0] in older[4] and projects[1] in older[4]  # the same words again: one memory
    assert newer[1:4] == ("output", "agent", "active") and older[5] == newer[0]
    acts = await _rows(rig, "SELECT memory_id, act FROM memory_changes ORDER BY number")
    assert acts == [
        *((older[0], "added"), (older[0], "merged")),
        *((newer[0], "added"), (older[0], "superseded")),
    ]
    found = await rig.parts.memory.recall(Where(WORKSPACE, MEMORIES), "How long is the bridge?")
    assert {one.passage.document_id for one in found} == {newer[0]}
    assert not await rig.parts.memory.recall(Where("other", MEMORIES), "How long is the bridge?")


async def test_what_is_too_much_is_forgotten_and_what_is_trusted_stays(rig: Rig) -> None:
    memory, database = rig.parts.memory, rig.parts.database
    source = MemorySource("prj_1", "A project")
    for number, trust in enumerate((Trust.AGENT, Trust.WEB, Trust.AGENT)):
        content = f"Output number {number} of the bridge.".encode()
        entry = NewEntry(
            *(f"mem_{number}", WORKSPACE, MEMORIES, "prj_1", "Bridge", "text/plain"),
            *(content, str(number)),
        )
        made = await memory.prepare(entry)
        about = About(MemoryKind.OUTPUT, trust, (source,), "bridge")
        assert await database.run(partial(add_memory, made, about, "memory"))
        assert not await database.run(partial(add_memory, made, about, "memory"))
    assert await database.run(lambda: forget_oldest(WORKSPACE, 1, 10, "memory")) == 2
    rows = await _rows(rig, "SELECT id, status FROM memories ORDER BY id")
    assert rows == [("mem_0", "forgotten"), ("mem_1", "forgotten"), ("mem_2", "active")]
    found = await memory.recall(Where(WORKSPACE, MEMORIES), "bridge output")
    assert {one.passage.document_id for one in found} == {"mem_2"}
