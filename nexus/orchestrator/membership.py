"""Workers as the database knows them: they join, beat, are found dead, and leave."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.domain.ids import new_id
from nexus.locks import FileLock
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.heartbeat import WORKERS

DRAINED: Final = "drained\n"


def lock_file(data: Path, worker_id: str) -> Path:
    """The file a worker holds locked for its life."""
    return data / WORKERS / f"{worker_id}.lock"


def join(worker_id: str, concurrency: int, lease_seconds: float) -> Transaction[None]:
    """Enter a worker with a fresh lease, or renew the one it has."""
    yield Query(
        "INSERT INTO workers (id, workspace, host, pid, status, concurrency, started_at, "
        "heartbeat_at, lease_until) VALUES ($1, 'default', $2, $3, 'active', $4, NOW_US(), "
        "NOW_US(), NOW_US() + $5) ON CONFLICT (id) DO UPDATE SET status = 'active', "
        "heartbeat_at = EXCLUDED.heartbeat_at, lease_until = EXCLUDED.lease_until",
        (worker_id, socket.gethostname()[:200], os.getpid(), concurrency, int(lease_seconds * 1e6)),
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What the database has of a worker: its claims, and its peers, those with a lease counted."""

    claims: dict[str, int]
    live_workers: int
    others: list[str]


def beat(worker_id: str, concurrency: int, lease_seconds: float) -> Transaction[None]:
    """Renew a worker's lease; one that slept so long that it was forgotten joins again."""
    yield from join(worker_id, concurrency, lease_seconds)


def look(worker_id: str) -> Transaction[Known]:
    """Read what the database has under a worker, renewing nothing."""
    rows = yield Query(
        "SELECT id, claim FROM subtasks WHERE owner = $1 AND status = 'running'", (worker_id,)
    )
    workers = yield Query(
        "SELECT id, status = 'active' AND lease_until > NOW_US() FROM workers "
        "WHERE status <> 'gone'"
    )
    return Known(
        {row[0]: row[1] for row in rows},
        sum(1 for worker in workers if worker[1]),
        [worker[0] for worker in workers if worker[0] != worker_id],
    )


def leave(worker_id: str) -> Transaction[None]:
    """Take a worker off the list."""
    yield Query("DELETE FROM workers WHERE id = $1", (worker_id,))


def declare_gone(worker_ids: list[str]) -> Transaction[None]:
    """End the leases of workers that are known to be dead."""
    yield Query(
        "UPDATE workers SET status = 'gone', lease_until = 0 WHERE id IN EACH($1)", (worker_ids,)
    )


def forget_gone(before_us: int) -> Transaction[None]:
    """Drop workers whose lease ended more than `before_us` ago and who own nothing."""
    yield Query(
        "DELETE FROM workers WHERE lease_until < NOW_US() - $1 "
        "AND NOT EXISTS (SELECT 1 FROM subtasks s WHERE s.owner = workers.id "
        "AND s.status = 'running')",
        (before_us,),
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker that has ended; one that drained without the database left a note that it did."""

    worker_id: str
    lock: Path
    has_drained: bool


def find_ended(data: Path, worker_ids: list[str]) -> list[Ended]:
    """List those whose lock file is here and unlocked: they have ended, however they did."""
    ended: list[Ended] = []
    for worker_id in worker_ids:
        path = lock_file(data, worker_id)
        if not path.exists():
            continue  # a worker of another machine: its lease decides
        lock = FileLock(path)
        if lock.acquire():
            ended.append(Ended(worker_id, path, path.read_text() == DRAINED))
            lock.release()
    return ended


def note_departure(lock: Path) -> None:
    """Leave word that a worker has drained and could not give back what it held."""
    lock.write_text(DRAINED)


def new_worker(data: Path) -> tuple[str, FileLock]:
    """Make a worker's id and take its lock."""
    worker_id = new_id("wrk")
    lock = FileLock(lock_file(data, worker_id))
    lock.acquire()
    return worker_id, lock
