"""The WorkflowEngine: every act on projects, each one transaction with its events.

After the commit, and only then, queued subtasks are announced and watchers are woken.
The API and the workers share it; it runs no agents.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from nexus.domain.budget import Budget
from nexus.domain.plan import Plan
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState
from nexus.errors import ServiceMissing
from nexus.events.bell import Bell
from nexus.failpoints import failpoint
from nexus.models.database import Database
from nexus.models.writing import Transaction, Writer
from nexus.orchestrator import chatting, creating, deciding, documents, steering
from nexus.orchestrator.advancing import close
from nexus.orchestrator.amending import Amendment
from nexus.orchestrator.chatting import NewMessage, Queued
from nexus.orchestrator.creating import NewProject
from nexus.orchestrator.deciding import Decision
from nexus.orchestrator.documents import NewDocument, NewLink
from nexus.orchestrator.queue import Queue
from nexus.orchestrator.team import compile_for
from nexus.orchestrator.turn import Turn

T = TypeVar("T")
AGAIN_SECONDS: Final = 0.5


class WorkflowEngine:
    """Runs acts against the truth and rings the doorbell.

    The acts (`create`, `dispatch`, …) are transactions to be passed through `run`, alone
    or together with other statements that must share their commit.
    """

    def __init__(
        self,
        database: Database | Writer,
        queue: Queue,
        bell: Bell,
        agents: Callable[[], frozenset[str]],
    ) -> None:
        self._database = database
        self._queue = queue
        self._bell = bell
        self._agents = agents
        self._untold: list[Turn] = []
        self._telling = asyncio.Lock()

    async def run(self, act: Callable[[Turn], Transaction[T]], *points: str) -> T:
        """Run one act as one transaction; return after its commit and its announcements.

        `points` name the failpoints right before and after the commit.
        """
        result, turn = await self.commit(act, *points)
        await self.tell(turn)
        return result

    async def commit(self, act: Callable[[Turn], Transaction[T]], *points: str) -> tuple[T, Turn]:
        """Run one act as one transaction; return after its commit with what is to be told."""
        turns: list[Turn] = []

        def begin() -> Transaction[T]:
            turn = Turn()
            turns.append(turn)
            result = yield from act(turn)
            yield from close(turn)
            for point in points:
                failpoint(f"{point}.before_commit")
            return result

        result = await self._database.run(begin)
        for point in points:
            failpoint(f"{point}.committed")
        return result, turns[-1]

    async def persist(self, act: Callable[[Turn], Transaction[T]], *points: str) -> T:
        """Run an act that must not be lost: while the database is away, keep it and try again.

        Only for acts that a repetition cannot harm, because the outcome of a lost commit
        is unknown: they compare before they set.
        """
        while True:
            try:
                return await self.run(act, *points)
            except ServiceMissing:
                await asyncio.sleep(AGAIN_SECONDS)

    async def tell(self, turn: Turn) -> None:
        """Announce and ring for a committed turn; what is lost here the reconciler repeats.

        Turns that commit while others are being told wait and go out together.
        """
        if not (turn.announcements or turn.touched):
            return
        self._untold.append(turn)
        async with self._telling:
            turns, self._untold = self._untold, []
            if not turns:
                return  # told along with an earlier one
            await self.announce(turns)
            await self.ring({project for turn in turns for project in turn.touched})

    async def announce(self, turns: Sequence[Turn]) -> None:
        """Put the subtasks that committed turns queued on the queue."""
        with suppress(ServiceMissing):
            await self._queue.announce([one for turn in turns for one in turn.announcements])
        failpoint("announce.done")

    async def ring(self, project_ids: Collection[str]) -> None:
        """Wake whoever watches these projects."""
        await self._bell.ring(project_ids)
        failpoint("ring.done")

    async def backlog(self) -> int:
        """Count what the queue holds, announced and not acknowledged.

        Raises:
            ServiceMissing: Redis is away.
        """
        return await self._queue.backlog()

    def create(self, turn: Turn, new: NewProject) -> Transaction[str]:
        """Make a project and return its id.

        Raises:
            InvalidInput: its plan cannot run, or it names unknown documents.
        """
        graph = None
        if new.plan:
            graph = yield from compile_for(new.workspace, new.plan, self._agents())
        return (yield from creating.create_project(turn, new, graph))

    def dispatch(self, turn: Turn, workspace: str, project_id: str) -> Transaction[int]:
        """Start a planned project; return how many subtasks were queued at once.

        Raises:
            NotFound, Conflict: no such project, or it is not planned.
        """
        return (yield from steering.execute(turn, workspace, project_id))

    def cancel(self, turn: Turn, workspace: str, project_id: str) -> Transaction[None]:
        """Cancel a project; no effect of it begins after the commit."""
        yield from steering.cancel(turn, workspace, project_id)

    def pause(self, turn: Turn, workspace: str, project_id: str) -> Transaction[None]:
        """Let what runs of a project finish and begin nothing new."""
        yield from steering.pause(turn, workspace, project_id)

    def resume(self, turn: Turn, workspace: str, project_id: str) -> Transaction[ProjectState]:
        """Let a project go on that is paused or waits for its budget; return its new state."""
        return (yield from steering.resume(turn, workspace, project_id))

    def retry(self, turn: Turn, workspace: str, project_id: str) -> Transaction[ProjectState]:
        """Run a failed or cancelled project again, finished work kept; return its new state."""
        return (yield from steering.retry(turn, workspace, project_id))

    def replan(
        self, turn: Turn, workspace: str, project_id: str, comment: str | None
    ) -> Transaction[None]:
        """Let the ManagerAgent amend what is left of a project's plan."""
        yield from steering.replan(turn, workspace, project_id, comment)

    def edit_plan(
        self, turn: Turn, workspace: str, project_id: str, plan: Plan, expected: int | None
    ) -> Transaction[int]:
        """Put a plan in the place of a project's present one; return its version.

        Raises:
            InvalidInput: it cannot run, or changes what is finished.
            NotFound, Conflict, PreconditionFailed: there is no such plan to change.
        """
        graph = yield from compile_for(workspace, plan, self._agents())
        new = Amendment(plan, graph, "user", "edited")
        return (yield from steering.edit_plan(turn, workspace, project_id, new, expected))

    def decide(
        self, turn: Turn, workspace: str, approval_id: str, decision: Decision
    ) -> Transaction[None]:
        """Take a person's decision; what waited for it goes on."""
        yield from deciding.decide(turn, workspace, approval_id, decision)

    def edit(
        self,
        turn: Turn,
        workspace: str,
        project_id: str,
        name: str | None,
        metadata: Mapping[str, Json] | None,
    ) -> Transaction[None]:
        """Change a project's name and metadata; None leaves a field as it is."""
        yield from creating.edit_project(workspace, project_id, name, metadata)

    def set_budget(
        self, turn: Turn, workspace: str, project_id: str, budget: Budget | None
    ) -> Transaction[None]:
        """Change a project's budget, or remove it."""
        yield from creating.set_budget(turn, workspace, project_id, budget)

    def delete(self, turn: Turn, workspace: str, project_id: str) -> Transaction[None]:
        """Delete a project that is not at work."""
        yield from creating.delete_project(workspace, project_id)

    def add_document(self, turn: Turn, new: NewDocument) -> Transaction[str]:
        """Store a document, queue its ingestion unless it is there already, and return its id."""
        return (yield from documents.add_document(turn, new))

    def add_link(self, turn: Turn, new: NewLink) -> Transaction[str]:
        """Queue what an address has now as a document, and return its id."""
        return (yield from documents.add_link(turn, new))

    def converse(self, turn: Turn, new: NewMessage) -> Transaction[Queued]:
        """Take a message to an agent and queue its answer.

        Raises:
            NotFound, Conflict, InvalidInput: it cannot be said there, or not now.
        """
        return (yield from chatting.take_message(turn, new))

    def remove_document(self, turn: Turn, workspace: str, document_id: str) -> Transaction[None]:
        """Delete a document's rows."""
        yield from documents.remove_document(workspace, document_id)
