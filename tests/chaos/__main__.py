"""`python -m tests.chaos`: do every fault of the matrix, print the table, exit 1 on a violation."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from nexus.logs import configure_logs
from tests.chaos.fault import DATABASES, Fault, all_faults
from tests.chaos.ground import Ground
from tests.chaos.table import draw, write_json
from tests.chaos.trial import Result, try_fault
from tests.support import processes
from tests.support.places import ROOT


def read_options() -> argparse.Namespace:
    """Read the command line."""
    known = all_faults()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first run's seed (default: 1)")
    parser.add_argument("--runs", type=int, help="runs of each fault (default: each fault's own)")
    parser.add_argument("--only", action="append", choices=sorted(known), help="only this fault")
    parser.add_argument("--database", choices=DATABASES, help="only this database")
    parser.add_argument("--short", action="store_true", help="the sizes of the short tier")
    parser.add_argument("--warm", action="store_true", help="fork processes: faster starts")
    parser.add_argument("--folder", type=Path, default=ROOT / ".chaos", help="where worlds live")
    parser.add_argument("--json", type=Path, help="where to write the results")
    return parser.parse_args()


def planned(options: argparse.Namespace) -> Iterator[tuple[Fault, str, int]]:
    """List the runs asked for: fault, database, seed."""
    for fault in all_faults().values():
        if options.only and fault.name not in options.only:
            continue
        for database in fault.databases:
            if options.database in (None, database):
                runs = options.runs or fault.runs
                yield from ((fault, database, options.seed + n) for n in range(runs))


def carry_out(options: argparse.Namespace) -> list[Result]:
    """Do the runs one after another, saying how each went."""
    results: list[Result] = []
    runs = list(planned(options))
    with Ground(options.folder.resolve(), is_warm=options.warm) as ground:
        for number, (fault, database, seed) in enumerate(runs, 1):
            result = asyncio.run(try_fault(ground, fault, database, seed=seed, short=options.short))
            results.append(result)
            how = "ok" if not result.violations else f"VIOLATED, again: {result.again}"
            words = f"{fault.name} {database} seed {seed}: {how} ({result.seconds:.1f} s)"
            print(f"[{number}/{len(runs)}] {words}", file=sys.stderr, flush=True)
    return results


def main() -> None:
    """Run, print, and exit with 1 when something was violated."""
    options = read_options()
    processes.mark_session()
    configure_logs("error")  # a database that is away is no news here
    began = time.monotonic()
    results = carry_out(options)
    print(draw(results))
    violated = sum(bool(result.violations) for result in results)
    took = f"{time.monotonic() - began:.0f} s"
    print(f"\n{len(results)} runs, {violated} with violations, {took}")
    path = options.json or options.folder / "chaos.json"
    write_json(path, all_faults(), results)
    left = processes.wait_for_none(limit_seconds=3.0)
    for found in left:
        print(f"a process was left: {found.pid} {found.command}")
        processes.kill(found)
    sys.exit(1 if violated or left else 0)


if __name__ == "__main__":
    main()
