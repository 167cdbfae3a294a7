"""A disk without room under uploads and under the files of tools: refused, and nothing half-written."""

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.chaos.conversation import task_of
from tests.chaos.fault import Figures, fault, require
from tests.chaos.small_disk import files_below, fill, run_on_small_disk, seen_by
from tests.chaos.world import World
from tests.scripted_model import Reply, ToolCalls
from tests.support.rig import plan, task

DISK_BYTES = 16 * 1024**2
UPLOAD_BYTES = 5_000_000
TEXT = "word " * 2_000
FULL = "the disk is full"
FULL_CODE = "disk_full"


def script(request: dict[str, Any]) -> Reply:
    """Write a file, or ask for a megabyte, then say what became of it."""
    said = [message for message in request["messages"] if message["role"] == "tool"]
    if said:
        return f"The tool said: {str(said[-1]['content'])[:200]}"
    name = task_of(request)
    if name == "large":
        return ToolCalls((("pour", {"megabytes": 1}),))
    return ToolCalls((("write_file", {"path": f"{name}.txt", "content": TEXT}),))


async def _upload(http: httpx2.AsyncClient) -> int:
    content = (b"word " * (UPLOAD_BYTES // 5))[:UPLOAD_BYTES]
    answer = await http.post("/documents", files={"file": ("words.txt", content)})
    return answer.status_code


async def _write(world: World, name: str, ends: str = "succeeded") -> None:
    """Run a project of one task that writes a file named after it."""
    project = await world.submit(plan(task(name, "content")))
    states = await world.end([project])
    require(states[project] == ends, f"the project that writes {name} {states[project]}")


async def _said(world: World, name: str) -> str:
    rows = await world.rows(
        "SELECT s.output, t.error FROM tasks t JOIN subtasks s ON s.task_id = t.id "
        "WHERE t.key = :name",
        name=name,
    )
    return str(rows[0]["output"] or json.loads(rows[0]["error"] or "{}").get("code"))


def _contents(disk: Path) -> dict[str, int]:
    """Every file a project or an upload left on the disk, with its size."""
    found = [path for path in files_below(disk) if "workers" not in path.parts]
    return {path.name: path.stat().st_size for path in found if path.name != "filler"}


@fault(
    "disk-full",
    row="the disk is full under uploads and under the files of tools",
    runs=5,
    short_databases=("sqlite",),
    alone=True,
)
async def disk_full(world: World) -> Figures:
    place = world.folder / "small"
    place.mkdir()
    world.nursery = await world.keep(run_on_small_disk(world.folder, place, DISK_BYTES))
    world.model.script = script
    world.settings["TMPDIR"] = str(place)
    api = await world.start_api()
    await world.start_worker(NEXUS_DATA_DIR=str(place / "data"))
    disk = seen_by(api.pid, place)
    async with world.client() as http:
        # Python looks for a place for temporary files once, at the first it needs.
        require(await _upload(http) == 202, "an upload was refused")
        await _write(world, "before")
        filler = fill(disk)
        before = _contents(disk)
        refused = await _upload(http)
        require(refused == 507, f"an upload without room was answered with {refused}")
        listed = (await http.get("/documents")).json()["items"]
        require(len(listed) == 1, f"{len(listed) - 1} documents are there that were refused")
        await _write(world, "during")
        require(FULL in await _said(world, "during"), await _said(world, "during"))
        large = await world.submit(plan(task("large", "pourer", max_attempts=1)))
        ended = (await world.end([large]))[large]
        require((ended, await _said(world, "large")) == ("failed", FULL_CODE), f"large {ended}")
        require(_contents(disk) == before, f"the disk has {_contents(disk)}, had {before}")
        alive = (await http.get("/healthz")).status_code
        require(alive == 200, f"/healthz answered {alive}")
        filler.unlink()
        accepted = await _upload(http)
        require(accepted == 202, f"with room again an upload was answered with {accepted}")
        await _write(world, "after")
    after = _contents(disk)
    require(after.keys() - before.keys() == {"after.txt"}, f"the disk has {after}")
    return {"upload without room": refused, "upload with room": accepted, "files": len(after)}
