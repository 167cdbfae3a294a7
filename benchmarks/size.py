"""W7: projects of growing size, with somebody who watches their progress all the while."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from benchmarks.graphs import seconds_between, warm_up
from benchmarks.installation import Client, Installation
from benchmarks.plans import waiting_plan
from benchmarks.processes import memory_of
from benchmarks.records import percentile
from benchmarks.shapes import graph
from benchmarks.site import Site

LAYERS: Final = 10
EVERY_SECONDS: Final = 0.05
WHOLE_EVERY: Final = 5
"""One request in this many asks for the whole progress, the others for its phases."""


@dataclass
class Watcher:
    """Asks for a project's progress twenty times a second in a thread, and notes how long it took."""

    installation: Installation
    project_id: str
    phases: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def _watch(self) -> None:
        with self.installation.client() as client:
            client.get("/projects", limit=1)
            asked = 0
            while not self._over.wait(EVERY_SECONDS):
                asked += 1
                self._ask(client, is_whole=asked % WHOLE_EVERY == 0)

    def _ask(self, client: Client, *, is_whole: bool) -> None:
        begun = time.perf_counter()
        client.http.get(
            f"/projects/{self.project_id}/progress",
            params={} if is_whole else {"detail": "phases"},
        ).raise_for_status()
        (self.whole if is_whole else self.phases).append(time.perf_counter() - begun)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
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


def measure_size(installation: Installation, client: Client, count: int) -> dict[str, float]:
    """Run a project of `count` no-op tasks in ten layers, each task after two of the layer before."""
    worker = installation.workers[0].pid
    project_id = client.create(waiting_plan(graph(LAYERS, count // LAYERS, 0.0, 0.0)))
    before = memory_of([worker])
    with Watcher(installation, project_id) as watcher:
        client.execute(project_id)
        shown = client.finish(project_id, grain=0.2)
    after = memory_of([worker])
    figures = {
        "ms_a_task": seconds_between(shown) * 1_000 / count,
        "worker_rss_before_mb": before.rss,
        "worker_rss_after_mb": after.rss,
    }
    for name, found in (("phases", watcher.phases), ("whole", watcher.whole)):
        if found:
            figures[f"{name}_p99_ms"] = percentile(found, 0.99) * 1_000
            figures[f"{name}_median_ms"] = percentile(found, 0.5) * 1_000
            figures[f"{name}_asked"] = float(len(found))
    return figures


def measure_sizes(site: Site, database: str, counts: tuple[int, ...]) -> list[dict[str, float]]:
    """Run projects of each size on one installation."""
    with site.nexus(database) as installation:
        installation.start_worker()
        with installation.client() as client:
            warm_up(client)
            return [measure_size(installation, client, count) for count in counts]
