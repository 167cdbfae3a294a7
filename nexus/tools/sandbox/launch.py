"""The first process inside the bubblewrap sandbox: limits, drops its user, starts the program.

Its text is handed into the sandbox and run there by a bare interpreter; it imports nothing
of Nexus. It stays as process 1, so that its end takes every process of the run with it.
Arguments: uid (0: stay who we are), interpreter, program, then NAME=limit pairs.
"""

import os
import posix
import resource
import sys
from pathlib import Path


def drop(uid: int) -> None:
    """Become an unprivileged user for good."""
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def begin(uid: int, command: list[str], limits: list[str]) -> None:
    """Turn this process into the program; returns never."""
    drop(uid)
    for pair in limits:
        name, value = pair.split("=")
        resource.setrlimit(getattr(resource, name), (int(value), int(value)))
    os.umask(0o022)
    os.chdir("/workspace")
    posix.execv(command[0], command)


def main() -> int:
    """Run the program to its end and return its exit code, 128 + n after signal n."""
    os.closerange(3, 1024)
    # The kernel's memory killer should choose the sandbox before anything else.
    Path("/proc/self/oom_score_adj").write_text("1000")
    uid, interpreter, program = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    child = os.fork()
    if child == 0:
        begin(uid, [interpreter, "-B", "-u", program], sys.argv[4:])
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
