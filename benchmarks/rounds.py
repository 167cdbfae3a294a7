"""The interleaved run: in each round every engine does every workload once, one after the other.

So a machine that becomes slower for a minute makes all of them slower, and ratios stay true.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.contestants import Peer, Task, run_peer
from benchmarks.figures import UNITS, figure, short
from benchmarks.graphs import measure_graph, warm_up
from benchmarks.installation import Broken, Client, Installation
from benchmarks.records import NEXUS, Book, Record
from benchmarks.shapes import SMALL, WHOLE, Sizes
from benchmarks.site import Site


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an interleaved run consists of."""

    databases: tuple[str, ...]
    workloads: tuple[str, ...]
    peers: tuple[Peer, ...]
    pairs: int
    sizes: Sizes = WHOLE


def play(site: Site, wanted: Wanted, book: Book) -> None:
    """Run all rounds; what one engine cannot do is said and left out."""
    for turn in range(wanted.pairs if wanted.workloads else 0):
        for database in wanted.databases:
            with site.nexus(database) as installation:
                installation.start_worker()
                with installation.client() as client:
                    warm_up(client)
                    for record in _round(site, wanted, turn, (installation, client, database)):
                        book.records.append(record)
                        tell(record, wanted.sizes)


def _round(
    site: Site, wanted: Wanted, turn: int, nexus: tuple[Installation, Client, str]
) -> Iterator[Record]:
    installation, client, database = nexus
    for workload in wanted.workloads:
        figures = measure_graph(installation, client, workload, wanted.sizes)
        yield Record(NEXUS, database, workload, turn, figures)
        for peer in _order(wanted.peers, turn):
            if database in peer.databases and workload in peer.workloads:
                yield from _run(site, peer, Record(peer.name, database, workload, turn, {}), wanted)


def _order(peers: Sequence[Peer], turn: int) -> Sequence[Peer]:
    """Turn the order around in every other round: nobody always comes last."""
    return peers if turn % 2 == 0 else peers[::-1]


def _run(site: Site, peer: Peer, blank: Record, wanted: Wanted) -> Iterator[Record]:
    folder = site.place(f"{peer.name}-{blank.workload}")
    url = site.databases.fresh(blank.database, folder.name.replace("-", "_"))
    task = Task(
        blank.workload, folder, url, site.redis_url, site.model_url, small=wanted.sizes is SMALL
    )
    try:
        yield Record(peer.name, blank.database, blank.workload, blank.turn, run_peer(peer, task))
    except Broken as wrong:
        sys.stderr.write(f"{peer.title} could not do {blank.workload}: {wrong}\n")


def tell(record: Record, sizes: Sizes) -> None:
    """Say at once what was measured."""
    value = figure(record.workload, record.figures["seconds"], sizes)
    line = f"{record.turn + 1}  {record.database:<10}  {record.workload}  {record.engine:<20}"
    sys.stderr.write(f"{line}  {short(value):>8} {UNITS[record.workload].unit}\n")
    sys.stderr.flush()
