"""Large values of the journal: files that rows refer to, whole or not there."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nexus.domain.seam import Effect, Json
from nexus.errors import Fenced, PermanentFailure, TransientFailure
from nexus.orchestrator.value_files import MOST_BYTES, ROW_BYTES, Kept, ValueFiles
from tests.orchestrator.claimed_run import Run
from tests.support.rig import Rig
from tests.support.waiting import until

LARGE: Json = {"text": "ä" * ROW_BYTES, "\ud800": [1, None]}
STORED: Json = {"text": "ä" * ROW_BYTES, "?": [1, None]}


@pytest.fixture
async def run(rig: Rig) -> AsyncIterator[Run]:
    made = Run(rig, most_model_calls=5)
    await made.start()
    yield made
    await made.end()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def found_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


async def test_a_large_value_is_in_a_file_and_comes_back(run: Run) -> None:
    first = await run.step("large", LARGE, request="x" * ROW_BYTES)
    await run.claim()
    assert await run.step("large", LARGE, request="x" * ROW_BYTES) == first == STORED
    assert run.made == ["large"]
    [row] = await run.records()
    assert len(row.result) <= 1_000
    assert len(row.request) <= 1_000
    names = {row.result_sha256: row.result_bytes, row.request_sha256: row.request_bytes}
    files = found_in(run.folder)
    assert {one.stem: one.stat().st_size for one in files} == names


async def test_what_fits_its_row_has_no_file(run: Run) -> None:
    await run.step("small", "x" * (ROW_BYTES - 2))
    assert found_in(run.folder) == []
    [row] = await run.records()
    assert row.result_sha256 is None


@pytest.mark.parametrize("lost", [True, False])
async def test_a_lost_file_makes_its_call_an_interrupted_one(run: Run, lost: bool) -> None:
    first = await run.use(Effect.IDEMPOTENT, LARGE)
    [file] = found_in(run.folder)
    if lost:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"]")
    await run.claim()

    assert await run.use(Effect.IDEMPOTENT, LARGE) == first
    assert run.made == ["id", "id"]
    assert len(set(run.keys)) == 1
    await run.claim()
    assert await run.use(Effect.IDEMPOTENT, LARGE) == first
    assert len(run.made) == 2


async def test_an_unsafe_call_whose_file_is_lost_is_put_to_a_person(run: Run) -> None:
    await run.use(Effect.UNSAFE, LARGE)
    [file] = found_in(run.folder)
    file.unlink()
    await run.claim()
    with pytest.raises(Fenced, match="waits for a person"):
        await run.use(Effect.UNSAFE, LARGE)
    assert run.made == ["id"]


async def test_a_value_that_cannot_be_stored_is_tried_again(run: Run) -> None:
    run.folder.write_text("in the way")
    with pytest.raises(TransientFailure, match=r"result of tool .* could not be stored"):
        await run.use(Effect.READ, LARGE)
    [row] = await run.records()
    assert row.status == "begun"
    run.folder.unlink()
    await run.claim()
    assert await run.use(Effect.READ, LARGE) == STORED


async def test_a_reply_that_is_paid_for_waits_for_the_disk(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    keep = ValueFiles.keep

    async def counted(files: ValueFiles, value: Json, what: str) -> Kept:
        tries.append(what)
        return await keep(files, value, what)

    async def has_tried_again() -> bool:
        return tries.count("the result of offline") > 1

    monkeypatch.setattr(ValueFiles, "keep", counted)
    monkeypatch.setattr("nexus.orchestrator.value_files.AGAIN_SECONDS", 0.01)
    run.folder.write_text("in the way")
    asking = asyncio.create_task(run.ask("a", value=LARGE))
    await until(has_tried_again)
    run.folder.unlink()
    assert await asking == STORED
    assert run.made == ["a"]


async def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    files = ValueFiles(tmp_path / "values")
    with files_of_at_most(10_000), pytest.raises(TransientFailure, match="stored") as caught:
        await files.keep("x" * 200_000, "the result of a test")
    assert caught.value.reason == "disk_full"
    assert found_in(tmp_path / "values") == []


async def test_a_value_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    files = ValueFiles(tmp_path / "values")
    with pytest.raises(PermanentFailure, match="more than the 67,108,864 a record may have"):
        await files.keep("x" * MOST_BYTES, "the result of a test")
    assert found_in(tmp_path / "values") == []


async def test_the_same_value_at_the_same_time_is_one_file(tmp_path: Path) -> None:
    files = ValueFiles(tmp_path / "values")
    kept = await asyncio.gather(*(files.keep(LARGE, "a test") for _ in range(8)))
    assert len(set(kept)) == 1
    assert len(found_in(tmp_path / "values")) == 1
