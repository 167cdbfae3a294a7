"""The first start of everything at once, while Redis is not there yet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.api import Api, open_api, plan, task
from tests.e2e.installation import Installation, copy_project
from tests.support.places import free_port
from tests.support.valkey import run_valkey
from tests.support.waiting import until

SOME_WORK = plan(task("brew"), task("pour", "brew"))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Installation]:
    """A clone in which nothing was ever started, told of a Redis that does not run."""
    settings = {
        "NEXUS_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "NEXUS_CHROMA_URL": "http://127.0.0.1:1",
        "NEXUS_MODEL": "offline",
    }
    installed = Installation(copy_project(tmp_path / "clone"), settings)
    try:
        yield installed
    finally:
        installed.stop()


async def ready(fresh: Installation) -> Any:
    """Read what is there."""
    async with httpx2.AsyncClient(base_url=fresh.url) as anyone:
        return (await anyone.get("/readyz")).json()


async def works(api: Api) -> bool:
    """Tell whether a project runs to its end."""
    project = await api.start("Tea", plan=SOME_WORK)
    return bool((await api.end(project))["status"] == "succeeded")


async def test_all_start_at_once_and_redis_comes_and_goes(
    fresh: Installation, tmp_path: Path
) -> None:
    workers = [fresh.spawn("worker", "worker.py") for _ in range(2)]
    fresh.start_api()
    async with open_api(fresh) as api:
        assert await works(api)
        assert (await ready(fresh))["redis"] == "missing"
        port = int(fresh.settings["NEXUS_REDIS_URL"].rpartition(":")[2].removesuffix("/0"))
        with run_valkey(tmp_path / "valkey", port=port):
            await until(lambda: _has_redis(fresh))
            assert await works(api)
        assert await works(api)
    assert [worker.poll() for worker in workers] == [None, None]


async def _has_redis(fresh: Installation) -> bool:
    return bool((await ready(fresh))["redis"] == "ok")
