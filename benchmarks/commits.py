"""How many commits a round of a conversation takes, counted in SQLite's write-ahead log."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.graphs import run_plan, warm_up
from benchmarks.installation import Client
from benchmarks.plans import agent_plan
from benchmarks.shapes import chain
from benchmarks.site import Site

AGENTS: Final = 5
FEW: Final = 5
MANY: Final = 15
HEADER_BYTES: Final = 32
FRAME_BYTES: Final = 24


def count_commits(log: Path) -> int:
    """Count the commits in a write-ahead log.

    A frame that ends a commit names the size of the database; frames of an earlier use of
    the file have another salt. Source: "WAL file format" in SQLite's documentation.
    """
    content = log.read_bytes()
    page = struct.unpack(">I", content[8:12])[0]
    salt = content[16:24]
    commits = 0
    for at in range(HEADER_BYTES, len(content) - FRAME_BYTES - page + 1, FRAME_BYTES + page):
        size = struct.unpack(">I", content[at + 4 : at + 8])[0]
        if content[at + 8 : at + 16] != salt:
            break
        commits += size > 0
    return commits


@contextmanager
def keep_log(database: Path) -> Iterator[None]:
    """Read in a transaction for the length of the block: meanwhile the log only grows."""
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM projects").fetchone()
        yield


def measure_commits(site: Site) -> dict[str, float]:
    """Compare conversations of few rounds with those of many: what the rounds add is theirs."""
    with site.nexus("sqlite") as installation:
        installation.start_worker()
        database = Path(installation.settings["NEXUS_DATABASE_URL"].removeprefix("sqlite:///"))
        with installation.client() as client:
            warm_up(client)
            with keep_log(database):
                few = _commits_of(client, database, FEW)
                many = _commits_of(client, database, MANY)
    return {"commits_a_round": (many - few) / (AGENTS * (MANY - FEW))}


def _commits_of(client: Client, database: Path, rounds: int) -> int:
    log = database.with_name(f"{database.name}-wal")
    before = count_commits(log)
    run_plan(client, agent_plan(chain(AGENTS), "bench_rounds"), model=f"openai:rounds-{rounds}")
    return count_commits(log) - before
