"""The short tier: each fault that is quick once, most on one of the databases; `make chaos` does all.

The runs go three at a time, from a module's fixture: most of each is waiting for leases.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from tests.chaos.fault import Fault, all_faults
from tests.chaos.ground import Ground
from tests.chaos.trial import Result, try_fault
from tests.support.postgres import Server

SEED: Final = 20_261_122
AT_ONCE: Final = 3
Case = tuple[str, str]

CASES: Final[tuple[Case, ...]] = tuple(
    (fault.name, database)
    for fault in all_faults().values()
    if fault.short
    for database in fault.short_databases
)


async def _try_all(ground: Ground, cases: Sequence[Case]) -> dict[Case, Result]:
    places = asyncio.Semaphore(AT_ONCE)

    async def try_one(fault: Fault, database: str) -> Result:
        async with places:
            return await try_fault(ground, fault, database, seed=SEED, short=True)

    known = all_faults()
    together = [case for case in cases if not known[case[0]].alone]
    found = await asyncio.gather(*(try_one(known[name], database) for name, database in together))
    results = dict(zip(together, found, strict=True))
    for name, database in cases:
        if (name, database) not in results:
            results[name, database] = await try_one(known[name], database)
    return results


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: Server,
) -> Iterator[dict[Case, Result]]:
    """Do the faults that were asked for, each once."""
    items = [item for item in request.session.items if item.path == request.path]
    asked = [item.callspec.params["case"] for item in items if isinstance(item, pytest.Function)]
    cases = [case for case in CASES if case in asked]
    folder = tmp_path_factory.mktemp("chaos")
    with Ground(folder, server=postgres_server, is_warm=True) as ground:
        yield asyncio.run(_try_all(ground, cases))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_nothing_is_violated(case: Case, results: dict[Case, Result]) -> None:
    result = results[case]
    assert result.violations == (), f"again: {result.again}"
