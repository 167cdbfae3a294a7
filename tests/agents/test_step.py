"""`context.step`: plain Python, run once and for ever."""

import asyncio
import threading
from typing import Any

import pytest

from nexus.domain.seam import CallKind
from nexus.errors import PermanentFailure
from nexus.llm.book import ModelBook
from tests.agents.fakes import DictSeam, context, settings


@pytest.fixture
def seam() -> DictSeam:
    return DictSeam()


def at(seam: DictSeam) -> Any:
    return context(ModelBook(settings()), seam)


async def test_a_recorded_step_never_runs_again(seam: DictSeam) -> None:
    ran: list[str] = []

    async def fetch(place: str, *, zoom: int) -> dict[str, Any]:
        ran.append(place)
        return {"place": place, "zoom": (zoom, zoom)}

    first = await at(seam).step("lookup", fetch, "Oslo", zoom=3)
    again = await at(seam.replay()).step("lookup", fetch, "Oslo", zoom=3)
    assert first == again == {"place": "Oslo", "zoom": [3, 3]}
    assert ran == ["Oslo"]
    (call,) = seam.calls
    assert (call.kind, call.name, call.key) == (CallKind.STEP, "lookup", "lookup")


async def test_other_arguments_and_repetitions_are_other_steps(seam: DictSeam) -> None:
    numbers = iter(range(9))

    async def count(_: int) -> int:
        return next(numbers)

    here = at(seam)
    assert [await here.step("n", count, value) for value in (1, 2, 1)] == [0, 1, 2]
    marks = [call.fingerprint for call in seam.calls]
    assert marks[0] == marks[2] != marks[1]


async def test_a_plain_function_runs_in_a_thread(seam: DictSeam) -> None:
    name = await at(seam).step("where", lambda: threading.current_thread().name)
    assert name != threading.main_thread().name


async def test_a_callable_that_returns_a_coroutine_is_awaited(seam: DictSeam) -> None:
    async def inner() -> int:
        await asyncio.sleep(0)
        return 7

    assert await at(seam).step("seven", lambda: inner()) == 7


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", float("nan"), lambda: 1])
async def test_arguments_that_are_not_json_are_refused_before_anything_runs(
    value: object, seam: DictSeam
) -> None:
    with pytest.raises(PermanentFailure, match=r"argument of step 'odd'.*not JSON"):
        await at(seam).step("odd", print, value)
    assert seam.calls == []


async def test_a_result_that_is_not_json_is_refused(seam: DictSeam) -> None:
    with pytest.raises(PermanentFailure, match="result of step 'odd'"):
        await at(seam).step("odd", lambda: object())
    assert seam.records == {}
