"""What a project hands over: nothing that something further was made of, and all the rest."""

import pytest

from nexus.services.deliverable import get_deliverable
from tests.orchestrator.test_budgets import ANYONE
from tests.support.rig import Rig, plan, task


@pytest.mark.parametrize(
    ("last", "handed_over", "missing"),
    [
        ("quick", ["aside", "last"], []),
        ("broken", ["middle", "aside"], ["last"]),
    ],
)
async def test_outputs_whose_readers_failed_are_delivered(
    rig: Rig, last: str, handed_over: list[str], missing: list[str]
) -> None:
    project = await rig.start(
        plan(
            task("first", "quick"),
            task("middle", "quick", "first"),
            task("aside", "quick", "first"),
            task("last", last, "middle"),
        )
    )
    async with rig.worker():
        await rig.end(project)
    made = await get_deliverable(rig.parts.database, rig.settings.data, ANYONE, project)
    assert [part.key for part in made.parts] == handed_over
    assert [one.key for one in made.missing] == missing
    if missing:
        assert "## Not delivered" in made.markdown
