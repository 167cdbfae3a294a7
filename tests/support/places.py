"""Where things are in the clone, and a free port of loopback."""

import socket
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The root of the clone; tests themselves run in a temporary directory inside it."""


def free_port() -> int:
    """Find a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
