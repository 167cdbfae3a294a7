"""The command line: `python -m benchmarks [WORKLOAD…] [--database …] [--pairs N] …`."""

import argparse
import os
from pathlib import Path

from benchmarks.contestants import PEERS, prepare
from benchmarks.records import Book, describe_machine
from benchmarks.figures import UNITS
from benchmarks.rounds import Wanted, play
from benchmarks.site import open_site
from benchmarks.table import render_comparison
from benchmarks.shapes import WHOLE
from tests.support.places import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("workloads", nargs="*", default=list(UNITS))
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--peers", default="")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    base = Path("/dev/shm") if options.memory else ROOT / ".bench"
    folder = base / f"run-{os.getpid()}"
    databases = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    peers = tuple(PEERS[name] for name in options.peers.split(",") if name)
    for peer in peers:
        prepare(peer)
    book = Book(describe_machine())
    with open_site(folder, postgres="postgresql" in databases, keep=options.keep) as site:
        play(site, Wanted(databases, tuple(options.workloads), peers, options.pairs), book)
    if options.json:
        book.write(options.json)
    print(render_comparison(book, WHOLE))


if __name__ == "__main__":
    main()
