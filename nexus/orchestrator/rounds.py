"""What a review judges, a revision answers and a delegated part is, read for the agent that is to do it."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import aliased

from nexus.domain.verdict import Verdict
from nexus.domain.work import Brief, Revision
from nexus.errors import Fenced
from nexus.models.database import Database
from nexus.models.delegation import DelegatedPart
from nexus.models.work import Offshoot, Subtask
from nexus.orchestrator.claiming import Claimed


async def read_submission(database: Database, subtask_id: str, task: Brief) -> Brief:
    """Add the output that a review is to judge, and what the review before did not find met.

    Raises:
        Fenced: it is gone.
    """
    revision, before = aliased(Offshoot), aliased(Subtask)
    async with database.read() as session:
        rows = await session.execute(
            select(Subtask.output, before.output, Offshoot.round)
            .select_from(Offshoot)
            .join(Subtask, Subtask.id == Offshoot.parent_id)
            .outerjoin(revision, revision.subtask_id == Offshoot.parent_id)
            .outerjoin(before, before.id == revision.parent_id)
            .where(Offshoot.subtask_id == subtask_id)
        )
        found = rows.one_or_none()
    if found is None or found[0] is None:
        raise Fenced(f"what {subtask_id} is to review is gone")
    output, verdict, number = found
    if verdict is None:
        return replace(task, submission=output)
    unmet = Verdict.model_validate_json(verdict).unmet
    return replace(task, submission=output, revision=Revision("", unmet, number))


async def read_revision(database: Database, subtask_id: str) -> Revision:
    """Read the output that a revision starts from, and what the review did not find met.

    Raises:
        Fenced: they are gone.
    """
    review, judged = aliased(Offshoot), aliased(Subtask)
    async with database.read() as session:
        rows = await session.execute(
            select(Subtask.output, judged.output, Offshoot.round)
            .select_from(Offshoot)
            .join(Subtask, Subtask.id == Offshoot.parent_id)
            .join(review, review.subtask_id == Offshoot.parent_id)
            .join(judged, judged.id == review.parent_id)
            .where(Offshoot.subtask_id == subtask_id)
        )
        found = rows.one_or_none()
    if found is None:
        raise Fenced(f"what {subtask_id} is to revise is gone")
    verdict, former, number = found
    return Revision(former or "", Verdict.model_validate_json(verdict or "").unmet, number)


async def read_part(database: Database, claimed: Claimed, task: Brief) -> Brief:
    """Make the brief of a delegated part of that of its task: the criteria are not for it.

    Raises:
        Fenced: it is gone.
    """
    async with database.read() as session:
        rows = await session.execute(
            select(DelegatedPart.title, DelegatedPart.instructions).where(
                DelegatedPart.subtask_id == claimed.held.subtask_id
            )
        )
        found = rows.one_or_none()
    if found is None:
        raise Fenced(f"what {claimed.held.subtask_id} is to do is gone")
    about = replace(task.task, title=found.title, agent=claimed.agent)
    return replace(task, task=about, instructions=found.instructions, acceptance=())
