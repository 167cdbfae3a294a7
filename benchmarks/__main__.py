"""The command line: `python -m benchmarks [WORKLOAD…] [--database …] [--pairs N]`."""

import argparse
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import UNITS, figure, spread
from benchmarks.graphs import measure_graph, warm_up
from benchmarks.installation import Databases, install, serve_model
from benchmarks.shapes import WHOLE
from tests.support.places import ROOT
from tests.support.postgres import run_postgres


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("workloads", nargs="*", default=list(UNITS))
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    base = Path("/dev/shm") if options.memory else ROOT / ".bench"
    folder = base / f"run-{os.getpid()}"
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = None
        if options.database != "sqlite":
            postgres = stack.enter_context(run_postgres(folder / "postgres", ()))
        databases = Databases(folder, postgres)
        model = stack.enter_context(serve_model(folder))
        installation = stack.enter_context(
            install(folder / "nexus", databases.fresh(options.database, "nexus"), model)
        )
        installation.start_worker()
        with installation.client() as client:
            warm_up(client)
            for workload in options.workloads:
                unit = UNITS[workload]
                found = [
                    measure_graph(installation, client, workload, WHOLE)
                    for _ in range(options.pairs)
                ]
                value = spread([figure(workload, one["seconds"], WHOLE) for one in found])
                sys.stdout.write(f"{workload} {unit.title}: {value} {unit.unit}  {found[0]}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
