"""An embedded installation for the length of a `with` block: `nexus up` as a tethered child.

Used by `nexus run` when nothing is running; whatever ends the block, or kills us, ends it too.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nexus.cli.stack.child import KERNEL_TETHER, TETHER
from nexus.cli.stack.logfile import last_line, open_log
from nexus.cli.stack.programs import environment_for
from nexus.errors import ServiceMissing
from nexus.locations import read_services

if TYPE_CHECKING:
    from nexus.settings import Settings

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0
ASK_EVERY_SECONDS: Final = 0.05


@contextmanager
def installation_for_a_while(settings: "Settings") -> Iterator[None]:
    """Run an installation over the data directory; in the block, `services.json` names its API.

    Raises:
        ServiceMissing: it did not start; the message has the last line it wrote.
    """
    log = settings.data / "logs" / "up.log"
    child = _start(settings, log)
    try:
        _wait_until_up(settings, child, log)
        yield
    finally:
        _stop(child)


def _start(settings: "Settings", log: Path) -> subprocess.Popen[bytes]:
    environment = environment_for(settings, 0) | {"NEXUS_HOST": "127.0.0.1"}
    way = "kernel" if KERNEL_TETHER else "pipe"
    descriptor = open_log(log)
    try:
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(TETHER)),
                *(way, str(int(signal.SIGTERM)), str(os.getpid())),
                *(sys.executable, "-m", "nexus", "up"),
            ],
            stdin=subprocess.DEVNULL if KERNEL_TETHER else subprocess.PIPE,
            stdout=descriptor,
            stderr=descriptor,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def _wait_until_up(settings: "Settings", child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        services = read_services(settings.data)
        if services and services.api_url:
            return
        if child.poll() is not None:
            break
        time.sleep(ASK_EVERY_SECONDS)
    raise ServiceMissing(
        f"the embedded Nexus did not start: {last_line(log) or 'it wrote nothing'}",
        hint=f"read its log: {log}",
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()
