"""What finished projects leave in memory: once, with where it is from, the newer for the older."""

from functools import partial
from typing import Any

from nexus.domain.remembering import MemoryKind, MemorySource, Trust
from nexus.memory.catalogue import NewEntry
from nexus.memory.passages import MEMORIES, Where
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.deciding import Decision
from nexus.orchestrator.memories import About, add_memory, forget_oldest
from nexus.orchestrator.unremembered import find_unremembered
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
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


def _ask_then_tell(request: dict[str, Any]) -> Reply:
    """Ask a person, then tell what was answered."""
    if any(message["role"] == "tool" for message in request["messages"]):
        return "The house is red [p00000000]."
    return ToolCalls((("ask_person", {"question": "Which colour?"}),))


async def test_outputs_answers_and_notes_of_a_project_are_all_remembered(
    scripted: Rig, server: ScriptedModel
) -> None:
    rig, engine = scripted, scripted.parts.engine
    server.script = _ask_then_tell
    yes = Decision(True, "key_1", None, gives_value=True, value="red, as before [p00000000]")
    project = await rig.start(plan(task("house", "content")))
    async with rig.worker():

        async def is_asked() -> bool:
            return bool(await _rows(rig, "SELECT id FROM approvals WHERE project_id = $1", project))

        await until(is_asked)
        ((asked,),) = await _rows(rig, "SELECT id FROM approvals WHERE project_id = $1", project)
        await engine.run(lambda turn: engine.decide(turn, WORKSPACE, asked, yes))
        assert await rig.end(project) == "succeeded"
        await rig.parts.database.run(lambda: _note(project, "The door is green [p00000000]."))
        await _remembered(rig, project)
    kept = await _rows(
        rig,
        "SELECT m.kind, c.content FROM memories m JOIN document_contents c ON c.document_id = m.id",
    )
    assert {kind: bytes(text).decode() for kind, text in kept} == {
        "output": "The house is red.",
        "decision": "Question: Which colour?\nAnswer: red, as before",
        "fact": "The door is green.",
    }


def _note(project_id: str, text: str) -> Transaction[None]:
    yield Query(
        "INSERT INTO documents (id, workspace, shelf, project_id, title, media_type, bytes, sha256, "
        "status, passages, edition, coming, embedding, created_at) VALUES ('not_1', $1, 'notes', $2, "
        "'Door', 'text/plain', 1, 'x', 'ready', 0, 1, 1, '', NOW_US())",
        (WORKSPACE, project_id),
    )
    yield Query(
        "INSERT INTO document_contents (document_id, workspace, content) VALUES ('not_1', $1, $2)",
        (WORKSPACE, text.encode()),
    )


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
