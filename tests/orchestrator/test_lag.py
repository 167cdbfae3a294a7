"""A loop that does not answer: behind, then given up, then, when it answers, taken back."""

import asyncio

from nexus.orchestrator.hand import Hand
from nexus.orchestrator.lag import Lag
from tests.support.waiting import until


async def test_a_loop_that_never_answers_is_given_up() -> None:
    stuck = asyncio.new_event_loop()
    hand = Hand("wrk_test")
    lag = Lag(stuck, hand, hung_seconds=1.2)
    lag.look()
    assert not lag.is_hung
    await until(lambda: lag.look() > 1.0)
    assert hand.is_lagging
    await until(lambda: lag.look() and lag.is_hung)

    stuck.call_soon(stuck.stop)
    await asyncio.to_thread(stuck.run_forever)
    lag.look()  # it has answered, late
    assert not lag.is_hung
    stuck.call_soon(stuck.stop)
    await asyncio.to_thread(stuck.run_forever)
    assert lag.look() < 1.0
    assert not hand.is_lagging
    stuck.close()


async def test_a_loop_that_answers_is_not_behind() -> None:
    hand = Hand("wrk_test")
    lag = Lag(asyncio.get_running_loop(), hand)
    await asyncio.to_thread(lag.look)
    await asyncio.sleep(0)
    assert await asyncio.to_thread(lag.look) < 1.0
    assert not hand.is_lagging
