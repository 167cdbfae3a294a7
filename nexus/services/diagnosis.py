"""Why a project is not moving: the project in a sentence, and each unfinished task with its reasons."""

import asyncio
from typing import TYPE_CHECKING, cast

from nexus.domain.clock import rfc3339
from nexus.models.database import Database
from nexus.schemas.diagnosis import (
    Diagnosis,
    HoldingTask,
    Reason,
    TaskDiagnosis,
    UnfinishedCounts,
    Workforce,
)
from nexus.schemas.lists import PageParams
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor
from nexus.services.health import Doorbell, look_at_services
from nexus.services.reads import reading
from nexus.services.reasons import Holder, Scene, reasons_for
from nexus.services.reasons import Reason as Said
from nexus.services.scene import Setting, Workers, read_setting
from nexus.services.sentence import sentence_for
from nexus.services.work_facts import Unfinished, read_planning, read_unfinished

if TYPE_CHECKING:
    from nexus.memory.store import Memory
    from nexus.schemas.progress import TaskStatus
    from nexus.schemas.projects import Status


async def get_diagnosis(
    database: Database,
    services: "tuple[Doorbell, Memory]",
    caller: Caller,
    project_id: str,
    page: PageParams,
) -> Diagnosis:
    """Say what a project and each of its unfinished tasks waits for; the database's part in one snapshot.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    at = Cursor.read(page.cursor)
    (redis, chroma), (setting, planning, tasks) = await asyncio.gather(
        look_at_services(*services), _read(database, caller, project_id, at, page.limit)
    )
    scene, shown = setting.scene, tasks[: page.limit]
    plan_reasons = [said for one in planning for said in reasons_for(one.facts, scene)]
    last = shown[-1] if len(tasks) > page.limit else None
    return Diagnosis(
        project_id=project_id,
        status=cast("Status", scene.project),
        text=sentence_for(scene, setting.standing, plan_reasons),
        at=rfc3339(scene.now_us) or "",
        counts=UnfinishedCounts(**setting.counts),
        workers=_show_workers(setting.workers),
        redis=redis,
        chroma=chroma,
        documents_processing=setting.documents_processing,
        items=[_show(one, scene) for one in [*(planning if at is None else ()), *shown]],
        next_cursor=Cursor(last.place, last.id or "").write() if last else None,
    )


async def _read(
    database: Database, caller: Caller, project_id: str, at: Cursor | None, limit: int
) -> tuple[Setting, list[Unfinished], list[Unfinished]]:
    async with reading(database) as session:
        setting = await read_setting(database, session, caller, project_id)
        now = setting.scene.now_us
        planning = await read_planning(session, project_id, now)
        tasks = await read_unfinished(session, project_id, at, limit + 1, now)
    return setting, planning, tasks


def _show(one: Unfinished, scene: Scene) -> TaskDiagnosis:
    subtask = one.facts.subtask
    return TaskDiagnosis(
        task_id=one.id,
        key=one.key,
        title=one.title,
        status=cast("TaskStatus", one.facts.status),
        subtask_id=subtask.id if subtask else None,
        attempt=subtask.attempt if subtask else 0,
        max_attempts=one.max_attempts,
        reasons=[_show_reason(said) for said in reasons_for(one.facts, scene)],
    )


def _show_reason(said: Said) -> Reason:
    shown = said.holders.shown
    return Reason(
        code=said.why.value,
        text=said.text,
        tasks=[_show_holder(one) for one in shown],
        more=said.holders.total - len(shown),
        at=rfc3339(said.at),
        approval_id=said.approval_id,
        worker=said.worker,
    )


def _show_holder(one: Holder) -> HoldingTask:
    return HoldingTask(task_id=one.task_id, key=one.key, status=cast("TaskStatus", one.status))


def _show_workers(workers: Workers) -> Workforce:
    return Workforce(
        live=workers.live,
        slots=workers.slots,
        busy=workers.busy,
        last_heartbeat_at=rfc3339(workers.last_heartbeat_at),
    )
