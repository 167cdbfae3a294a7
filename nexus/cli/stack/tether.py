"""Run one command that dies with the supervisor, even when the supervisor is killed.

A script of the standard library alone, started by `nexus.cli.stack.child` as
`python -I -S tether.py kernel|pipe SIGNAL PARENT COMMAND...`. `kernel` asks Linux for a signal at
the parent's death and becomes the command; `pipe` (elsewhere) stays as its guardian and
reads a pipe that only the supervisor keeps open. Never imports nexus.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal the calling process receives when its parent dies."""
ORPHANED: Final = 70


def tether_by_kernel(parent: int, last_signal: int, command: Sequence[str]) -> NoReturn:
    """Ask the kernel for `last_signal` at the parent's death, then become the command."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, last_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before prctl: that death sends no signal.
    if os.getppid() != parent:
        os._exit(ORPHANED)
    os.execvp(command[0], list(command))


def tether_by_pipe(last_signal: int, command: Sequence[str]) -> int:
    """Start the command, send it `last_signal` when standard input ends; return its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    def watch() -> None:
        while os.read(0, 1):
            pass
        child.send_signal(last_signal)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def main(arguments: Sequence[str]) -> int:
    """Read `kernel|pipe SIGNAL PARENT COMMAND...` and run the command."""
    way, last_signal, parent, *command = arguments
    if way == "kernel":
        tether_by_kernel(int(parent), int(last_signal), command)
    return tether_by_pipe(int(last_signal), command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
