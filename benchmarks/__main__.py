"""The command line: `python -m benchmarks [WORKLOAD…] [--database …] [--peers …] [--pairs N]`."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from benchmarks.chart import draw
from benchmarks.contestants import NEEDED, PEERS, Peer, prepare
from benchmarks.experiments import EXPERIMENTS, QUICK, Extent, Order, experiment
from benchmarks.figures import UNITS
from benchmarks.installation import Broken
from benchmarks.records import Book, describe_machine, read_book
from benchmarks.report import render_report
from benchmarks.rounds import Wanted, play
from benchmarks.shapes import WHOLE
from benchmarks.site import open_site
from tests.support.places import ROOT

MEMORY: Final = Path("/dev/shm")
PAIRS: Final = 5


def main() -> None:
    """Measure what is asked for and print the report."""
    given = _parser().parse_args()
    book = read_book(given.book) if given.book else _measure(given)
    sys.stdout.write(render_report(book, WHOLE))
    if given.out:
        _write(book, given.out)


def _measure(given: argparse.Namespace) -> Book:
    """Run what is asked for."""
    databases = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
    workloads = tuple(given.workloads) or (*UNITS, *EXPERIMENTS)
    graphs = tuple(one for one in UNITS if one in workloads)
    extent = QUICK if given.quick else Extent()
    book = Book(describe_machine({"state": "memory" if given.memory else "disk"}.items()))
    peers = tuple(_prepared(given.peers)) if graphs else ()
    folder = (MEMORY if given.memory else ROOT / ".bench") / f"bench-{os.getpid()}"
    with open_site(folder, postgres="postgresql" in databases, keep=given.keep) as site:
        pairs = given.pairs or (1 if given.quick else PAIRS)
        play(site, Wanted(databases, graphs, peers, pairs), book)
        experiment(site, Order(workloads, databases, extent), book)
    return book


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = (*UNITS, *EXPERIMENTS)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(known)}")
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql", "both"), default="both", help="default: both"
    )
    parser.add_argument(
        "--peers", default="needed", help="needed, all, none, or names with commas: default needed"
    )
    parser.add_argument("--pairs", type=int, help="rounds of the interleaved run; default 5")
    parser.add_argument("--quick", action="store_true", help="one round of everything, smaller")
    parser.add_argument("--memory", action="store_true", help="state in memory, not on disk")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs")
    parser.add_argument("--out", type=Path, help="a folder for the results as files")
    parser.add_argument("--book", type=Path, help="measure nothing: report a results.json again")
    return parser


def _prepared(names: str) -> list[Peer]:
    """Make the wanted peers' environments; those that cannot be made are said and left out."""
    wanted = {"needed": NEEDED, "all": tuple(PEERS), "none": ()}.get(names) or names.split(",")
    ready: list[Peer] = []
    for name in wanted if names != "none" else ():
        try:
            prepare(PEERS[name])
            ready.append(PEERS[name])
        except Broken as wrong:
            sys.stderr.write(f"{PEERS[name].title} is left out: {wrong}\n")
    return ready


def _write(book: Book, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    book.write(folder / "results.json")
    (folder / "results.md").write_text(render_report(book, WHOLE))
    for database in dict.fromkeys(one.database for one in book.records):
        (folder / f"{database}.svg").write_text(draw(book, WHOLE, database))


if __name__ == "__main__":
    main()
