"""A worker's part done by hand, one call at a time, with deaths where a test wants them."""

from contextlib import AsyncExitStack

import pytest
from sqlalchemy import select

from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded
from nexus.errors import Fenced
from nexus.models.projects import Approval
from nexus.orchestrator.claiming import Claimed, release_all
from nexus.orchestrator.deciding import Decision
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.hand import Hand as WorkerHand
from nexus.orchestrator.journal import JournalSeam
from nexus.orchestrator.membership import join
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.records import read_journal
from nexus.orchestrator.value_files import ValueFiles
from tests.support.acts import claim, settle
from tests.support.rig import Rig, plan, task

WORKER = "wrk_of_this_test"


class Killed(BaseException):
    """The process ended inside an effect."""


class Hand:
    """Does a worker's part by hand; `keys` are the idempotency keys of calls really made."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.engine = rig.parts.engine
        self.keys: list[str] = []
        self.desks = AsyncExitStack()
        self.folder = rig.folder / "values"
        self.claimed: Claimed
        self.project: str

    async def start(self, *keys: str) -> None:
        """Start a project of independent tasks and claim the first."""
        tasks = [task(key, "quick", timeout_seconds=100.0) for key in keys or ("one",)]
        self.project = await self.rig.start(plan(*tasks))
        await self.claim()

    async def take(self, key: str = "one") -> Claimed:
        await self.engine.run(lambda turn: join(WORKER, 1, 60.0))
        subtask = (await self.rig.tasks(self.project))[key].subtask_id or ""
        (claimed,) = await self.engine.run(lambda turn: claim(turn, WORKER, [subtask]))
        return claimed

    async def claim(self) -> None:
        """Claim the first task, and begin from its journal."""
        self.claimed = await self.take()
        journal = await read_journal(self.rig.parts.database, self.claimed)
        await self.desks.aclose()
        desk = Desk(self.engine, WorkerHand(WORKER), lambda: None, lambda claimed: None)
        await self.desks.enter_async_context(desk)
        self.seam = JournalSeam(self.engine, desk, self.claimed, journal, ValueFiles(self.folder))

    async def again(self) -> None:
        """Lose what is held, as a drained worker does, and begin anew."""
        await self.engine.run(lambda turn: release_all(turn, WORKER, "a test"))
        await self.claim()

    async def call(
        self, key: str = "a", kind: CallKind = CallKind.TOOL, wrong: BaseException | None = None
    ) -> Json:
        async def effect(made: str) -> Recorded:
            self.keys.append(made)
            if wrong:
                raise wrong
            return Recorded(f"sent {len(self.keys)}")

        call = Call(kind, "send", key, "0" * 64, Effect.UNSAFE, {"to": "Ada"})
        return await self.seam.call(call, effect)

    async def interrupt(self, *keys: str, kind: CallKind = CallKind.TOOL) -> list[Approval]:
        """Be killed inside these calls, and let the next claim ask about them."""
        for key in keys or ("a",):
            with pytest.raises(Killed):
                await self.call(key, kind, Killed())
        await self.again()
        with pytest.raises(Fenced):
            await self.call(keys[0] if keys else "a", kind)
        return await self.pending()

    async def approvals(self) -> list[Approval]:
        async with self.rig.parts.database.read() as session:
            rows = await session.execute(
                select(Approval)
                .where(Approval.project_id == self.project)
                .order_by(Approval.created_at, Approval.number)
            )
            return list(rows.scalars())

    async def pending(self) -> list[Approval]:
        return [one for one in await self.approvals() if one.status == "pending"]

    async def decide(self, approval: Approval, decision: Decision) -> None:
        await self.engine.run(
            lambda turn: self.engine.decide(turn, "default", approval.id, decision)
        )

    async def states(self) -> tuple[str, str, str]:
        """The states of the project, the first task and its subtask."""
        first = (await self.rig.tasks(self.project))["one"]
        (subtask,) = [
            one for one in await self.rig.subtasks(self.project) if one.id == first.subtask_id
        ]
        return (await self.rig.row(self.project)).status, first.status, subtask.status

    async def events(self) -> list[str]:
        return [event.type for event in await self.rig.events(self.project)]

    async def settle(self, claimed: Claimed) -> None:
        await self.engine.run(lambda turn: settle(turn, claimed.held, Outcome("done"), Share()))
