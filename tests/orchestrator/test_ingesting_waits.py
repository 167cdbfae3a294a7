"""A document that was accepted waits for a memory that is away, however long, and is read then."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.states import SubtaskKind
from nexus.errors import NotNow, ServiceMissing, TransientFailure
from nexus.models.writing import Query, Transaction
from nexus.orchestrator import judging, runner
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.documents import NewDocument
from nexus.orchestrator.transitions.subtasks import Held
from tests.scripted_model import Raw, ScriptedModel
from tests.scripted_vectors import embeddings
from tests.support.chroma import ChromaServer
from tests.support.databases import ON_POSTGRESQL
from tests.support.places import free_port
from tests.support.rig import WORKSPACE, Rig, open_rig
from tests.support.waiting import until

SHORT_SECONDS = 0.05


@pytest.fixture
def is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a service that was away again soon."""
    for where in (judging, runner):
        monkeypatch.setattr(where, "AWAY_SECONDS", SHORT_SECONDS)


async def upload(rig: Rig) -> str:
    content = b"The sea is wide."
    digest = hashlib.sha256(content).hexdigest()
    new = NewDocument(WORKSPACE, "sea.txt", "text/plain", content, digest, "sea.txt")
    return await rig.parts.engine.run(lambda turn: rig.parts.engine.add_document(turn, new))


async def status_of(rig: Rig, document_id: str) -> tuple[str, str | None]:
    query = Query("SELECT status, error FROM documents WHERE id = $1", (document_id,))
    (rows,) = await rig.parts.database.ask(query)
    return rows[0][0], rows[0][1]


async def reading(rig: Rig) -> tuple[int, int, int | None]:
    query = Query("SELECT claim, attempt, deadline_at FROM subtasks WHERE kind = 'ingest'")
    (rows,) = await rig.parts.database.ask(query)
    return rows[0][0], rows[0][1], rows[0][2]


def give_time(seconds: float) -> Transaction[None]:
    """Say how long the reading of documents may take."""
    yield Query("UPDATE subtasks SET timeout_seconds = $1 WHERE kind = 'ingest'", (seconds,))


async def has_been_put_off(rig: Rig, times: int) -> bool:
    claim, _, _ = await reading(rig)
    return claim >= 2 * times  # one for taking it, one for putting it back


@ON_POSTGRESQL
@pytest.mark.usefixtures("is_quick")
async def test_a_document_outlives_a_chroma_that_is_away_for_long(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    chroma = ChromaServer(tmp_path / "chroma")
    places: dict[str, Any] = {"database_url": database_url, "redis_url": redis_url}
    nobody = f"http://127.0.0.1:{free_port()}"
    async with open_rig(tmp_path, **places, chroma_url=nobody) as rig:
        document = await upload(rig)
        await rig.parts.database.run(lambda: give_time(1.0))
        async with rig.worker():
            # More often than it may be attempted, and for longer than it may take.
            await until(lambda: has_been_put_off(rig, 25), timeout=60)
        assert await status_of(rig, document) == ("processing", None)
        _, attempt, deadline = await reading(rig)
        assert (attempt, deadline) == (1, None)
        await rig.parts.database.run(lambda: give_time(900.0))
    try:
        async with open_rig(tmp_path, **places, chroma_url=chroma.start()) as rig, rig.worker():

            async def is_ready() -> bool:
                return (await status_of(rig, document))[0] == "ready"

            await until(is_ready, timeout=30)
    finally:
        chroma.stop()


@pytest.mark.usefixtures("is_quick")
async def test_a_document_waits_for_its_embedding_server(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    chroma = ChromaServer(tmp_path / "chroma")
    answers = [Raw(body="starting", status=503)] * 6

    def say(request: dict[str, Any]) -> Raw:
        return answers.pop() if answers else embeddings([[1.0, 0.0] for _ in request["input"]])

    try:
        async with ScriptedModel(say) as server:
            settings: dict[str, Any] = {
                "database_url": database_url,
                "redis_url": redis_url,
                "chroma_url": chroma.start(),
                "embedding_model": "openai:tiny",
                "openai_base_url": server.base_url,
            }
            async with open_rig(tmp_path, **settings) as rig, rig.worker():
                document = await upload(rig)

                async def is_over() -> bool:
                    return (await status_of(rig, document))[0] != "processing"

                await until(is_over, timeout=30)
                assert (await status_of(rig, document))[0] == "ready"
                assert (await reading(rig))[1] == 1
    finally:
        chroma.stop()


@pytest.mark.parametrize(
    ("wrong", "waits"),
    [
        (ServiceMissing("Chroma is away"), True),
        (NotNow("limited", retry_after_seconds=90.0), True),
        (TransientFailure("it failed"), False),
        (RuntimeError("a fault of its own"), False),
    ],
)
def test_only_what_is_out_of_reach_is_waited_for(
    wrong: Exception, waits: bool, claimed: Claimed
) -> None:
    problem = runner._problem(replace(claimed, attempt=runner.INGEST_FAULTS), wrong)
    assert (problem.is_postponed, problem.stops_clock, problem.again) == (waits, waits, waits)
    if waits:
        floor = 90.0 if isinstance(wrong, NotNow) else judging.AWAY_SECONDS
        assert floor <= (problem.retry_after_seconds or 0) <= max(floor, 2 * judging.AWAY_SECONDS)


@pytest.fixture
def claimed() -> Claimed:
    return Claimed(
        Held("sub_1", 1, "wrk_1"),
        *(1, WORKSPACE, None, None, "doc_1", SubtaskKind.INGEST, "memory"),
        *(20, 0, 0, 900.0, 900.0, False, None),
    )
