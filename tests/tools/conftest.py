"""Real sandboxes and folders for the tests of the tools."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nexus.tools.sandbox.bubblewrap import BubblewrapSandbox
from nexus.tools.sandbox.choosing import choose_sandbox
from nexus.tools.sandbox.contract import Caps, SandboxResult
from tests.support.children import Children, pids_of_children

Run = Callable[[str], Coroutine[Any, Any, SandboxResult]]
Until = Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]


@pytest.fixture
def until() -> Until:
    """Wait for a condition, at most ten seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder beside that of another tenant, below a data directory with a secret."""
    (tmp_path / "secret.key").write_text("canary-secret")
    other = tmp_path / "workspaces" / "other" / "prj_2"
    other.mkdir(parents=True)
    (other / "notes.txt").write_text("canary-other")
    place = tmp_path / "workspaces" / "mine" / "prj_1"
    place.mkdir(parents=True)
    return place


@pytest.fixture(scope="session")
def binary() -> Path:
    """The bwrap that a real trial run chose."""
    chosen = asyncio.run(choose_sandbox("bubblewrap"))
    assert isinstance(chosen, BubblewrapSandbox)
    return chosen.binary


@pytest.fixture
def bubblewrap(binary: Path) -> BubblewrapSandbox:
    """The real sandbox with short caps."""
    caps = Caps(seconds=8, memory_bytes=1024**3, folder_bytes=32 * 1024**2, folder_entries=500)
    return BubblewrapSandbox(binary, caps)


@pytest.fixture
def run(bubblewrap: BubblewrapSandbox, folder: Path) -> Run:
    """Run code over the project's folder."""

    async def run_code(code: str) -> SandboxResult:
        return await bubblewrap.run(code, folder)

    return run_code


@pytest.fixture
def children() -> Children:
    """Tell which children were started since the test began."""
    earlier = pids_of_children()
    return lambda: pids_of_children() - earlier
