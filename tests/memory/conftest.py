"""A real Chroma server for the session, a Memory on it for each test, and ways to make a PDF."""

import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from nexus.memory.passages import SourceDocument
from nexus.memory.server import chroma_command
from nexus.memory.store import Memory


class ChromaServer:
    """One server process over one folder, which can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        port = free_port()
        argv, env = chroma_command(port, self.folder)
        self._process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}"
        while not self._answers():
            assert self._process.poll() is None, "the Chroma server ended at once"
        return self.url

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/api/v2/heartbeat", timeout=1.0).is_success
        except httpx2.TransportError:
            return False


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def memory(chroma: ChromaServer) -> AsyncIterator[Memory]:
    opened = Memory(lambda: chroma.url)
    yield opened
    await opened.close()


@pytest.fixture
def workspace() -> str:
    return f"ws-{uuid.uuid4()}"


def document(
    content: str | bytes, *, title: str = "notes.txt", media_type: str = "text/plain", id: str = "doc_1"
) -> SourceDocument:
    data = content.encode() if isinstance(content, str) else content
    return SourceDocument(id, title, media_type, data)
