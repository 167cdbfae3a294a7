"""A project waits for documents that came before it, without using up an attempt."""

from hashlib import sha256

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.documents import NewDocument
from tests.support.rig import WORKSPACE, Rig, plan, task
from tests.support.waiting import until

CODE = "documents_processing"
FAULT = '{"code": "memory_missing"}'


async def upload(rig: Rig) -> str:
    """Add a document whose reading does not begin yet."""
    content = b"The sea is wide."
    digest = sha256(content).hexdigest()
    new = NewDocument(WORKSPACE, "sea.txt", "text/plain", content, digest, "sea.txt")
    engine = rig.parts.engine

    def add() -> Transaction[None]:
        yield Query("UPDATE subtasks SET run_at = NOW_US() + 3600000000 WHERE kind = 'ingest'", ())

    document_id = await engine.run(lambda turn: engine.add_document(turn, new))
    await engine.run(lambda turn: add())
    return document_id


async def test_work_waits_until_what_came_before_it_is_read(rig: Rig) -> None:
    document_id = await upload(rig)
    project = await rig.start(plan(task("one", max_attempts=1)))

    def finish() -> Transaction[None]:
        yield Query("UPDATE documents SET status = 'ready' WHERE id = $1", (document_id,))

    async def is_put_off() -> bool:
        (one,) = await rig.subtasks(project)
        return one.status == "queued" and (one.error or {}).get("code") == CODE

    async with rig.worker():
        await until(is_put_off)
        await rig.parts.engine.run(lambda turn: finish())
        assert await rig.end(project) == "succeeded"
    (one,) = await rig.subtasks(project)
    assert one.attempt == 1
    told = [event.data for event in await rig.events(project) if event.type == "subtask.released"]
    assert "still being read" in told[0]["reason"]


async def test_nothing_waits_for_a_document_that_could_not_be_read_or_came_later(rig: Rig) -> None:
    await upload(rig)

    def fail() -> Transaction[None]:
        yield Query("UPDATE subtasks SET error = $1 WHERE kind = 'ingest'", (FAULT,))

    await rig.parts.engine.run(lambda turn: fail())
    project = await rig.start(plan(task("one")))
    await upload(rig)
    async with rig.worker():
        assert await rig.end(project) == "succeeded"
    assert not [one for one in await rig.events(project) if one.type == "subtask.released"]
