"""The embedded Chroma server as a process, and the lightness of the room before it is used."""

import subprocess
import sys
from typing import TYPE_CHECKING

from nexus.memory.server import chroma_command, server_installed

if TYPE_CHECKING:
    from tests.support.chroma import ChromaServer


def test_the_server_is_installed_and_listens_on_loopback_alone(chroma: "ChromaServer") -> None:
    assert server_installed()
    argv, env = chroma_command(8001, chroma.folder)
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert env["ANONYMIZED_TELEMETRY"] == "FALSE"


def test_the_server_ends_cleanly_when_asked(own_chroma: "ChromaServer") -> None:
    own_chroma.start()
    assert own_chroma.terminate() == 0


def test_importing_the_room_loads_nothing_heavy() -> None:
    source = (
        "import sys, nexus.memory.store, nexus.memory.server\n"
        "heavy = {'chromadb', 'numpy', 'onnxruntime', 'tokenizers', 'pypdf', 'httpx2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
