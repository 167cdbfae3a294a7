"""The world of one run: an installation, the work it was given, and a seed for what happens to it."""

from collections.abc import Iterable
from typing import Any, Final

from nexus.domain.plan import Plan
from nexus.domain.states import PROJECT_TERMINAL
from nexus.orchestrator.creating import NewProject
from tests.chaos.ground import Ground
from tests.chaos.installation import PATIENCE_SECONDS, Installation, now_us

WORKSPACE: Final = "default"


class World(Installation):
    """What a fault runs in.

    `accepted` and `cancelled` are what was answered with success: the history checker holds
    the tables against them.
    """

    def __init__(
        self, ground: Ground, name: str, *, database: str, seed: int, short: bool = False
    ) -> None:
        super().__init__(ground, name, database=database, seed=seed, short=short)
        self.accepted: set[str] = set()
        self.cancelled: dict[str, int] = {}

    async def submit(self, plan: Plan, goal: str = "A goal", **fields: Any) -> str:
        """Make and start a project through the engine; return its id."""
        engine = self.parts.engine
        name = f"Project {len(self.accepted)}"
        new = NewProject(
            WORKSPACE, f"{goal} ({name})", name, plan, **{"auto_execute": True, **fields}
        )
        project_id: str = await engine.run(lambda turn: engine.create(turn, new))
        self.accepted.add(project_id)
        return project_id

    async def cancel(self, project_id: str) -> None:
        """Cancel a project through the engine."""
        engine = self.parts.engine
        await engine.run(lambda turn: engine.cancel(turn, WORKSPACE, project_id))
        self.cancelled[project_id] = now_us()

    async def end(
        self, project_ids: Iterable[str], within: float = PATIENCE_SECONDS
    ) -> dict[str, str]:
        """Wait until these projects are over; return their states."""
        wanted = set(project_ids)

        async def over() -> bool:
            rows = await self.rows("SELECT id, status FROM projects")
            states = {row["id"]: row["status"] for row in rows if row["id"] in wanted}
            return len(states) == len(wanted) and set(states.values()) <= PROJECT_TERMINAL

        await self.until(over, within=within, what="every project to be over")
        rows = await self.rows("SELECT id, status FROM projects")
        return {row["id"]: row["status"] for row in rows if row["id"] in wanted}
