"""A real Chroma server over a folder."""

import os
import shutil
import subprocess
from pathlib import Path

import httpx2

from nexus.memory.server import chroma_command
from tests.support.places import free_port


class ChromaServer:
    """One server process over one folder, which can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        port = free_port()
        argv, env = chroma_command(port, self.folder)
        self._process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}"
        while not self._answers():
            assert self._process.poll() is None, "the Chroma server ended at once"
        return self.url

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Lose all data, as a server does that is set up anew; it must not run."""
        shutil.rmtree(self.folder)

    def terminate(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=30)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/api/v2/heartbeat", timeout=1.0).is_success
        except httpx2.TransportError:
            return False
