"""Copies of documents in projects' folders go with the document, on every machine."""

import hashlib
from pathlib import Path

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.copies import Copy, folder_of_copies, note, take_back_document
from nexus.orchestrator.documents import NewDocument
from nexus.orchestrator.folders import folder_of
from nexus.orchestrator.sweeping import Sweep
from tests.support.rig import WORKSPACE, Rig, plan, task


async def add(rig: Rig, title: str, content: bytes) -> str:
    """Add a document that is ready at once."""
    engine, digest = rig.parts.engine, hashlib.sha256(content).hexdigest()
    new = NewDocument(WORKSPACE, title, "text/plain", content, digest, title)
    document = await engine.run(lambda turn: engine.add_document(turn, new))

    def finish() -> Transaction[None]:
        yield Query("UPDATE documents SET status = 'ready' WHERE id = $1", (document,))
        yield Query("UPDATE subtasks SET status = 'cancelled' WHERE document_id = $1", (document,))

    await rig.parts.database.run(finish)
    return document


async def remove(rig: Rig, document: str) -> None:
    engine = rig.parts.engine
    await engine.run(lambda turn: engine.remove_document(turn, WORKSPACE, document))


def shelf_of(rig: Rig, project: str) -> Path:
    return folder_of(rig.settings.data, WORKSPACE, project) / "documents"


async def briefed(rig: Rig) -> str:
    """Run a project whose folder gets the documents at hand."""
    project = await rig.start(plan(task("one", "quick")))
    assert await rig.end(project) == "succeeded"
    return project


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


async def test_a_run_finds_no_copy_of_what_was_deleted(rig: Rig) -> None:
    sea = await add(rig, "sea.txt", b"wide")
    await add(rig, "bridge.txt", b"long")
    engine = rig.parts.engine
    async with rig.worker():
        project = await rig.start(plan(task("one", "broken", max_attempts=1)))
        assert await rig.end(project) == "failed"
    assert names(shelf_of(rig, project)) == {"sea.txt", "bridge.txt"}
    (shelf_of(rig, project) / "mine.txt").write_text("an agent's own")
    await remove(rig, sea)
    await engine.run(lambda turn: engine.retry(turn, WORKSPACE, project))
    async with rig.worker():
        assert await rig.end(project) == "failed"
    assert names(shelf_of(rig, project)) == {"bridge.txt", "mine.txt"}


async def test_copies_go_from_every_machine(rig: Rig, tmp_path: Path) -> None:
    sea, twin = await add(rig, "sea.txt", b"wide"), await add(rig, "bridge.txt", b"long")
    async with rig.worker():
        project = await briefed(rig)
    assert names(shelf_of(rig, project)) == {"sea.txt", "bridge.txt"}
    record = folder_of_copies(rig.settings.data, WORKSPACE, project)
    # Nobody knows whose documents those of another installation are.
    elsewhere = shelf_of(rig, "prj_of_another")
    elsewhere.mkdir(parents=True)
    (elsewhere / "theirs.txt").write_text("theirs")
    note(
        folder_of_copies(rig.settings.data, WORKSPACE, elsewhere.parent.name),
        [Copy("doc_x", "0", "theirs.txt")],
    )

    await remove(rig, sea)
    sweep = Sweep(rig.settings.data)
    await sweep.go_on(rig.parts.engine)
    assert names(shelf_of(rig, project)) == {"bridge.txt"}
    assert len(names(record)) == 1
    assert (elsewhere / "theirs.txt").exists()

    await remove(rig, twin)
    take_back_document(rig.settings.data, WORKSPACE, twin)
    assert not names(shelf_of(rig, project))
    assert not names(record)
    take_back_document(tmp_path / "none", WORKSPACE, twin)
