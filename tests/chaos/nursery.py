"""A process that has imported everything once and forks workers and APIs: they start at once.

Run as `python -m tests.chaos.nursery NAME`, the name of an abstract socket; it ends with its
standard input. Each connection asks for one child (a line of JSON: what it is, its environment,
folder and log), hears its pid, and when it ends, how. The children are processes like any
other; only their imports were done by somebody else.
"""

import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import threading
from typing import Any

import uvicorn

import nexus.main
import nexus.worker
from nexus.agents.builtin import load_toolkit
from nexus.failpoints import VARIABLE, arm
from tests.chaos.nursling import READY


def _become(wanted: dict[str, Any]) -> int:
    """Be the child that was asked for, until it ends; return its exit code."""
    os.environ.clear()
    os.environ.update(wanted["environment"])
    tempfile.tempdir = None  # found anew, where the child's environment says
    os.chdir(wanted["folder"])
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    arm(os.environ.get(VARIABLE, ""))
    try:
        if wanted["kind"] == "worker":
            nexus.worker.main()
        else:
            options = wanted["options"]
            uvicorn.run(nexus.main.create_app(), log_config=None, access_log=False, **options)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class Nursery:
    """Serves one socket; a single thread, so that forking is safe."""

    def __init__(self, name: str) -> None:
        self._children: dict[int, socket.socket] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"\0{name}")
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wakes, self._signals = socket.socketpair()
        self._signals.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._signals.fileno())
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def serve(self) -> None:
        """Fork for whoever asks, and tell of every end, until the input ends."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._wakes:
                    self._wakes.recv(4_096)
                    self._reap()
                else:
                    self._fork(self._listener.accept()[0])

    def end(self) -> None:
        """Kill the children that are left."""
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _fork(self, asking: socket.socket) -> None:
        with asking.makefile("rb") as lines:
            wanted = json.loads(lines.readline())
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.closerange(3, 256)
                code = _become(wanted)
            finally:
                sys.stderr.flush()
                os._exit(code)
        self._children[pid] = asking
        asking.sendall(f"{pid}\n".encode())

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._children.pop(pid) as asking:
                asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def main() -> None:
    """Import what children need, and serve."""
    load_toolkit()
    if threading.active_count() > 1:
        raise RuntimeError(f"imports started threads: {threading.enumerate()}")
    nursery = Nursery(sys.argv[1])
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    nursery.serve()
    nursery.end()


if __name__ == "__main__":
    main()
