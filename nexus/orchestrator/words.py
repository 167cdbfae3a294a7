"""What people have said in a project: the words whose addresses its agents may open unasked."""

from typing import Final

from sqlalchemy import select

from nexus.models.database import Database
from nexus.models.projects import Approval, PlanVersion, Project, Replan, Task

MOST: Final = 1_000


async def read_words(database: Database, project_id: str, task_id: str | None) -> str:
    """Join a project's goal, what a person wrote of this task, and comments and answers."""
    async with database.read() as session:
        project = (
            await session.execute(
                select(Project.goal, PlanVersion.author)
                .outerjoin(
                    PlanVersion,
                    (PlanVersion.project_id == Project.id)
                    & (PlanVersion.version == Project.plan_version),
                )
                .where(Project.id == project_id)
            )
        ).one_or_none()
        if project is None:
            return ""
        words = [project.goal]
        if project.author == "user":
            task = await session.execute(select(Task.instructions).where(Task.id == task_id))
            words += task.scalars()
        replans = await session.execute(
            select(Replan.comment).where(Replan.project_id == project_id).limit(MOST)
        )
        answers = await session.execute(
            select(Approval.decision).where(Approval.project_id == project_id).limit(MOST)
        )
        words += [comment for comment in replans.scalars() if comment]
        for decision in answers.scalars():
            said = (decision or {}).get("comment"), (decision or {}).get("value")
            words += [one for one in said if isinstance(one, str)]
    return "\n".join(words)
