"""The world of one run: an installation, the work it was given, and a seed for what happens to it."""

from collections.abc import Iterable
from typing import Any, Final

import httpx2

from nexus.domain.consent import Policy
from nexus.domain.plan import Plan
from nexus.domain.states import PROJECT_TERMINAL
from nexus.orchestrator.creating import NewProject
from tests.chaos.fault import require
from tests.chaos.ground import Ground
from tests.chaos.installation import PATIENCE_SECONDS, Installation, now_us

WORKSPACE: Final = "default"


class World(Installation):
    """What a fault runs in.

    `accepted` and `cancelled` (since when, in microseconds) are what was answered with success:
    the history checker holds the tables against them. Projects `left_planned` may stay so.
    """

    def __init__(
        self, ground: Ground, name: str, *, database: str, seed: int, short: bool = False
    ) -> None:
        super().__init__(ground, name, database=database, seed=seed, short=short)
        self.accepted: set[str] = set()
        self.cancelled: dict[str, int] = {}
        self.left_planned: set[str] = set()

    async def submit(self, plan: Plan, goal: str = "A goal", **fields: Any) -> str:
        """Make and start a project through the engine; return its id.

        It is left planned where `fields` say so, or have its plan wait for a person.
        """
        engine = self.parts.engine
        name = f"Project {len(self.accepted)}"
        new = NewProject(
            WORKSPACE, f"{goal} ({name})", name, plan, **{"auto_execute": True, **fields}
        )
        project_id: str = await engine.run(lambda turn: engine.create(turn, new))
        self.accepted.add(project_id)
        if not new.auto_execute or new.approvals is Policy.ALL:
            self.left_planned.add(project_id)
        return project_id

    async def steer(self, project_id: str, act: str) -> int:
        """Have the API cancel, pause or resume a project; return when it had answered.

        What is refused for the moment is asked for again.

        Raises:
            Violation: the answer is another than 202.
        """
        async with self.client() as http:

            async def answered() -> httpx2.Response | None:
                answer = await http.post(f"/projects/{project_id}/{act}")
                return None if answer.status_code == 503 else answer

            answer = await self.until(answered, what=f"an answer to {act}")
        at_us = now_us()
        require(answer.status_code == 202, f"{act} was answered {answer.status_code} {answer.text}")
        return at_us

    async def cancel(self, project_id: str) -> int:
        """Cancel a project through the API; return when it had answered."""
        at_us = await self.steer(project_id, "cancel")
        self.cancelled[project_id] = at_us
        return at_us

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
