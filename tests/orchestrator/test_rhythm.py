"""Who was away cannot tell whether the others are late."""

import pytest

from nexus.orchestrator.rhythm import Rhythm
from tests.support.waiting import until


@pytest.fixture
def rhythm(monkeypatch: pytest.MonkeyPatch) -> Rhythm:
    monkeypatch.setattr("nexus.orchestrator.rhythm.CATCH_UP_SECONDS", 0.1)
    return Rhythm(0.2)


async def _judges_while_renewing(rhythm: Rhythm) -> None:
    def renew() -> bool:
        rhythm.renewed()
        return rhythm.may_judge()

    await until(renew)


async def test_it_judges_after_a_steady_while(rhythm: Rhythm) -> None:
    assert not rhythm.may_judge()
    rhythm.renewed()
    assert not rhythm.may_judge()
    await _judges_while_renewing(rhythm)


async def test_after_a_gap_it_judges_nobody_until_all_could_come_back(rhythm: Rhythm) -> None:
    await _judges_while_renewing(rhythm)
    await until(lambda: not rhythm.may_judge())  # nothing renews: the database is away
    rhythm.renewed()
    assert not rhythm.may_judge()
    await _judges_while_renewing(rhythm)
