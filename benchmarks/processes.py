"""What processes cost: memory and processor time of a tree, read from Linux's /proc."""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")
GRAIN_SECONDS: Final = 0.1


def tree_of(roots: Iterable[int]) -> set[int]:
    """Return the given processes and all that descend from them, as far as they live."""
    found: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid in found:
            continue
        children = _children(pid)
        if children is None:
            continue
        found.add(pid)
        todo += children
    return found


def _children(pid: int) -> list[int] | None:
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        return [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: `rss` counts shared pages in every process, `pss` shares them out."""

    rss: float = 0.0
    pss: float = 0.0


def memory_of(pids: Iterable[int]) -> Memory:
    """Add up the memory of processes; those that have ended count nothing."""
    rss = pss = 0
    for pid in pids:
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
        rss += int(sizes["Rss"])
        pss += int(sizes["Pss"])
    return Memory(rss / 1024, pss / 1024)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Add up the processor time that living processes have used so far."""
    ticks = 0
    for pid in pids:
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


@dataclass
class Watch:
    """Samples the memory of process trees in a thread while its block runs; keeps the peak."""

    roots: tuple[int, ...]
    peak: Memory = field(default_factory=Memory)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def _sample(self) -> None:
        while True:
            now = memory_of(tree_of(self.roots))
            self.peak = Memory(max(self.peak.rss, now.rss), max(self.peak.pss, now.pss))
            if self._over.wait(GRAIN_SECONDS):
                return

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
