"""`nexus up` over a data directory: one at a time, killed and taken up again, gone without a trace."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.locations import read_services
from tests.cli.processes import children_of, is_alive, until_now
from tests.e2e.api import open_api, plan, task
from tests.e2e.installation import Installation, copy_project
from tests.e2e.test_crashes import HeldAt
from tests.e2e.test_model_at_work import task_of
from tests.scripted_model import ScriptedModel
from tests.support.places import free_port


def descendants(pid: int) -> list[int]:
    """Every process below one."""
    children = children_of(pid)
    return children + [each for child in children for each in descendants(child)]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Installation]:
    """A clone where nothing runs yet; Chroma is left out."""
    settings = {
        "NEXUS_CHROMA_URL": "http://127.0.0.1:1",
        "NEXUS_WORKERS": "2",
        "NEXUS_LEASE_SECONDS": "2",
        "NEXUS_MODEL": "openai:any",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
    }
    installed = Installation(copy_project(tmp_path / "clone"), settings)
    try:
        yield installed
    finally:
        installed.stop()


def start(embedded: Installation) -> subprocess.Popen[bytes]:
    """Run `nexus up` until it has said where everything is."""
    up = embedded.spawn("up", "-m", "nexus", "up", "--port", str(embedded.port))
    until_now(lambda: up.poll() is not None or b"Stop" in embedded.log(up).read_bytes())
    assert up.poll() is None, embedded.log(up).read_text()
    return up


def second_up(embedded: Installation) -> bytes:
    """Run `nexus up` where one runs already; return what it says as it gives up."""
    refused = subprocess.run(
        [sys.executable, "-m", "nexus", "up", "--port", "0"],
        cwd=embedded.folder,
        env=embedded.environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode != 0
    return refused.stderr


async def test_up_is_killed_taken_up_again_and_ended(embedded: Installation) -> None:
    script = HeldAt("two")
    port = int(embedded.settings["OPENAI_BASE_URL"].rpartition(":")[2].removesuffix("/v1"))
    async with ScriptedModel(script, port=port) as model:
        up = start(embedded)
        assert b"Nexus already runs over" in second_up(embedded)
        async with open_api(embedded) as api:
            project = await api.start("Up", plan=plan(task("one"), task("two", "one")))
            await model.wait_for_calls(2)
            family = descendants(up.pid)
            embedded.kill(up)
            until_now(lambda: not any(is_alive(pid) for pid in family))
            up = start(embedded)
            await model.wait_for_calls(3)
            script.let_go.set()
            assert (await api.end(project))["status"] == "succeeded"
        assert [task_of(one) for one in model.requests] == ["one", "two", "two"]
    assert len(family) >= 4
    family = descendants(up.pid)
    os.kill(up.pid, signal.SIGTERM)
    assert up.wait(60) == 0
    assert not any(is_alive(pid) for pid in family)
    assert read_services(embedded.data) is None
