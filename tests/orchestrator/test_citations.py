"""What marks stand for: what the tools of a project returned, and nobody's word for it."""

from collections.abc import AsyncIterator

import pytest

from nexus.domain.citing import NOT_HERE, cite
from nexus.domain.seam import Effect, Json
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.citations import Looked, find_sources
from nexus.orchestrator.value_files import ROW_BYTES, ValueFiles
from tests.orchestrator.claimed_run import Run
from tests.support.rig import Rig

MARK, OTHER = "p0a1b2c3d", "w11112222"
PASSAGE: Json = {
    "cite": cite(MARK),
    "title": "Bridges",
    "locator": "page 3",
    "document_id": "doc_1",
    "passage_id": "psg_0a1b2c3d4e5f",
    "text": f"It says [{OTHER}].",
}


@pytest.fixture
async def run(rig: Rig) -> AsyncIterator[Run]:
    made = Run(rig, most_model_calls=5)
    await made.start()
    yield made
    await made.end()


async def look(rig: Rig, run: Run, *marks: str) -> Looked:
    await run.end()  # so that everything is written
    return await find_sources(rig.parts.database, ValueFiles(run.folder), run.project, marks)


async def test_results_of_searches_say_what_a_mark_is(rig: Rig, run: Run) -> None:
    await run.use(Effect.READ, [PASSAGE, "odd", {"cite": 5}], name="search_memory", key="one")
    await run.use(Effect.READ, {"cite": "no mark"}, name="fetch_url", key="two")
    looked = await look(rig, run, MARK, OTHER)
    assert list(looked.sources) == [MARK]
    assert looked.sources[MARK].name == "Bridges, page 3"
    assert looked.sources[MARK].passage_id == "psg_0a1b2c3d4e5f"
    assert looked.otherwise == ""


async def test_other_tools_and_other_projects_say_nothing(rig: Rig, run: Run) -> None:
    await run.use(Effect.READ, [PASSAGE], name="read_file")
    assert (await look(rig, run, MARK)).sources == {}
    await run.claim()
    await run.use(Effect.READ, [PASSAGE], name="search_memory", key="two")
    assert (await look(rig, run, MARK)).sources.keys() == {MARK}
    run.project = "prj_of_somebody_else"
    assert (await look(rig, run, MARK)).sources == {}


async def test_the_first_that_gave_out_a_mark_says_what_it_is(rig: Rig, run: Run) -> None:
    for key, title in (("one", "First"), ("two", "Second")):
        page: Json = {"cite": cite(OTHER), "title": title, "url": "https://a.example/"}
        await run.use(Effect.READ, page, name="fetch_url", key=key)
    assert (await look(rig, run, OTHER)).sources[OTHER].title == "First"


async def test_what_a_reviewer_was_shown_is_no_source(rig: Rig, run: Run) -> None:
    await run.use(Effect.READ, [PASSAGE], name="search_memory")
    await run.end()

    def review() -> Transaction[None]:
        yield Query("UPDATE subtasks SET kind = 'review' WHERE project_id = $1", (run.project,))

    await rig.parts.database.run(review)
    assert (await look(rig, run, MARK)).sources == {}


async def test_a_large_result_is_read_from_its_file_or_nothing_is_said(rig: Rig, run: Run) -> None:
    page: Json = {"cite": cite(OTHER), "title": "Prices", "text": "x" * (ROW_BYTES + 1)}
    await run.use(Effect.READ, page, name="fetch_url")
    assert (await look(rig, run, OTHER)).sources[OTHER].name == "Prices"
    (file,) = run.folder.iterdir()
    file.unlink()
    looked = await look(rig, run, OTHER)
    assert looked.sources == {}
    assert looked.otherwise == NOT_HERE
