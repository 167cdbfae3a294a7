"""The edges of storing: refused statements, folders of what is gone, the order of locks."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from nexus.errors import NotFound, StatementRefused
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.documents import NewDocument
from nexus.orchestrator.folders import folder_of, remove_folders
from tests.support.databases import ON_POSTGRESQL
from tests.support.rig import WORKSPACE, Rig, plan, task
from tests.support.waiting import until


def _nonsense() -> Transaction[None]:
    yield Query("SELECT nothing FROM nowhere")


async def test_a_refused_statement_is_said_at_once_and_not_tried_again(rig: Rig) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(StatementRefused):
            await rig.parts.engine.persist(lambda turn: _nonsense())


async def test_the_folder_of_a_project_that_is_gone_goes_too(rig: Rig, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("theirs")
    project = await rig.start(plan(task("one", "quick")))
    folder = folder_of(rig.settings.data, WORKSPACE, project)
    async with rig.worker():
        await rig.end(project)
    assert folder.is_dir()
    (folder / "way out").symlink_to(outside)

    await remove_folders(rig.settings.data, WORKSPACE, project)
    await remove_folders(rig.settings.data, WORKSPACE, project)

    assert not folder.exists()
    assert (outside / "kept").read_text() == "theirs"


async def test_a_document_is_removed_with_its_open_work(rig: Rig) -> None:
    engine = rig.parts.engine
    new = NewDocument(WORKSPACE, "A title", "text/plain", b"text", "0" * 64, "A title")
    document = await engine.run(lambda turn: engine.add_document(turn, new))

    with pytest.raises(NotFound):
        await engine.run(lambda turn: engine.remove_document(turn, "another", document))
    await engine.run(lambda turn: engine.remove_document(turn, WORKSPACE, document))

    def left() -> Transaction[list[str]]:
        rows = yield Query("SELECT status FROM subtasks WHERE document_id = $1", (document,))
        return [row[0] for row in rows]

    assert await engine.run(lambda turn: left()) == ["cancelled"]


@ON_POSTGRESQL
async def test_a_new_edition_waits_for_what_ends_the_last_one(rig: Rig) -> None:
    """The reading of a document is locked before the document, whoever comes first."""
    engine = rig.parts.engine
    first, second = (
        NewDocument(WORKSPACE, "A title", "text/plain", text, digest * 64, "A title")
        for text, digest in ((b"one", "1"), (b"two", "2"))
    )
    document = await engine.run(lambda turn: engine.add_document(turn, first))
    ending = await asyncpg.connect(rig.settings.database_url)

    async def is_held_up() -> bool:
        held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(await ending.fetchval(f"{held} AND datname = current_database()"))

    try:
        async with ending.transaction():
            await ending.execute("SET LOCAL lock_timeout = 500")  # sooner than a deadlock is seen
            await ending.execute(
                "UPDATE subtasks SET agent = agent WHERE document_id = $1", document
            )
            adding = asyncio.create_task(engine.run(lambda turn: engine.add_document(turn, second)))
            await until(is_held_up)
            await ending.execute("UPDATE documents SET title = title WHERE id = $1", document)
        assert await adding == document
    finally:
        await ending.close()


async def test_projects_deleted_while_others_run_leave_no_row(rig: Rig) -> None:
    engine = rig.parts.engine
    ended = await rig.start(plan(task("one", "quick")))
    running = await rig.start(plan(task("a", "quick"), task("b", "quick", "a")))
    async with rig.worker():
        await rig.end(ended)
        await engine.run(lambda turn: engine.delete(turn, WORKSPACE, ended))
        assert await rig.end(running) == "succeeded"
    assert await rig.events(ended) == []
    assert await rig.subtasks(ended) == []
