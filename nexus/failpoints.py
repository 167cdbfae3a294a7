"""Named points at which a process can be made to die, stop or lose an answer, for tests.

The engine passes them between effects, commits and announcements. They do nothing unless
`NEXUS_FAILPOINTS` names one: `settle.committed=kill@3` kills the process at its third passing.
"""

import os
import re
import signal
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from nexus.errors import Misconfigured, ServiceMissing

VARIABLE: Final = "NEXUS_FAILPOINTS"
ACTS: Final = (
    "create",
    "steer",
    "claim",
    "begin",
    "record",
    "settle",
    "release",
    "return",
    "announce",
    "ask",
    "renew",
    "delegate",
    "hold",
    "cut",
    "reopen",
    "decide",
)
"""Transactions with points around their commit; `steer` is execute, cancel and retry, `return`
what gives a lost claim back, `announce` what tells the queue again, `ask` what puts a call to a
person, `decide` what takes the answer, `renew` the intent of an approved call, `hold` a wait for
the budget, `cut` and `reopen` what ends records and what takes one for interrupted."""

OF_MEMORY: Final = frozenset({"stage.done", "put.done", "discard.done", "drop.done"})
"""Between the catalogue and Chroma: passages stored here and there, removed here and there."""

POINTS: Final = (
    frozenset(
        {f"{act}.before_commit" for act in ACTS}
        | {f"{act}.committed" for act in ACTS}
        | {"queue.read", "effect.done", "announce.done", "ring.done", "ack.done"}
    )
    | OF_MEMORY
)

ENTRY: Final = re.compile(r"(?P<name>[\w.]+)=(?P<action>kill|stop|drop)(?:@(?P<at>[1-9]\d*))?")


@dataclass(slots=True)
class Armed:
    """What happens at one point, and at which passing."""

    action: str
    at: int
    passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self) -> bool:
        """Count a passing; tell whether this is the one."""
        with self.lock:
            self.passed += 1
            return self.passed == self.at


def read_failpoints(text: str) -> dict[str, Armed]:
    """Read `name=action@passing`, several separated by commas.

    Raises:
        Misconfigured: an entry is malformed or names no point there is.
    """
    armed: dict[str, Armed] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        found = ENTRY.fullmatch(entry)
        if found is None or found["name"] not in POINTS:
            raise Misconfigured(
                f"{VARIABLE} cannot have {entry!r}",
                hint=f"write name=kill@1, stop or drop, with a name of {_listed(POINTS)}",
            )
        armed[found["name"]] = Armed(found["action"], int(found["at"] or 1))
    return armed


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


_armed: Final[dict[str, Armed]] = {}


def arm(text: str) -> None:
    """Arm what `text` names and nothing else.

    Raises:
        Misconfigured: it cannot be read.
    """
    armed = read_failpoints(text)
    _armed.clear()
    _armed.update(armed)


arm(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Pass a point; nothing happens unless it is armed and its passing has come.

    Raises:
        ServiceMissing: the point is armed with `drop`: an answer is lost on its way.
    """
    if _armed and (found := _armed.get(name)) is not None and found.is_due():
        _strike(name, found.action)


def _strike(name: str, action: str) -> None:
    if action == "drop":
        raise ServiceMissing(f"dropped at the failpoint {name}", code="outcome_unknown")
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
