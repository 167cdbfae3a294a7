"""One installation for the session, run as the README says; a model server on a port it knows."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.api import Api, open_api
from tests.e2e.installation import LEASE_SECONDS, Installation, copy_project
from tests.support.places import ROOT, free_port
from tests.support.valkey import run_valkey

OWN_AGENTS = ROOT / "tests" / "e2e" / "own_agents.py"
MODEL_TIMEOUT_SECONDS = 3.0


@pytest.fixture(scope="session")
def e2e_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Valkey that nobody else empties."""
    with run_valkey(tmp_path_factory.mktemp("e2e-valkey")) as port:
        yield port


@pytest.fixture(scope="session")
def model_port() -> int:
    """Where the installation expects its model; a test serves one there, or leaves it silent."""
    return free_port()


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory, e2e_redis: int, model_port: int
) -> Iterator[Installation]:
    """API and worker in two processes, somebody's own agents beside `.env`, a model without a key."""
    clone = copy_project(tmp_path_factory.mktemp("e2e") / "clone")
    (clone / "own_agents.py").write_text(OWN_AGENTS.read_text())
    with (clone / ".env").open("a") as env:
        env.write(f"NEXUS_REDIS_URL=redis://127.0.0.1:{e2e_redis}/0\n")
        env.write("NEXUS_CHROMA_URL=http://127.0.0.1:1\n")
        env.write("NEXUS_PLUGINS=own_agents\n")
        env.write("NEXUS_PROJECT_MEMORY=off\n")  # no test meets what another one left
        env.write(f"OPENAI_BASE_URL=http://127.0.0.1:{model_port}/v1\n")
        env.write(f"OLLAMA_BASE_URL=http://127.0.0.1:{free_port()}\n")
    settings = {
        "NEXUS_MODEL": "openai:any",
        "NEXUS_LEASE_SECONDS": str(LEASE_SECONDS),
        "NEXUS_MODEL_TIMEOUT_SECONDS": str(MODEL_TIMEOUT_SECONDS),
    }
    installed = Installation(clone, settings)
    try:
        installed.start_api()
        installed.start_worker()
        yield installed
    finally:
        installed.stop()


@pytest.fixture
async def api(installation: Installation) -> AsyncIterator[Api]:
    """A client of the session's installation."""
    async with open_api(installation) as opened:
        yield opened
