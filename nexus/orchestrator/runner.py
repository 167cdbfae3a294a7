"""Run one claimed subtask to its outcome: the worker's boundary around agents."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from nexus.agents.builtin import Toolkit
from nexus.agents.context import Context
from nexus.agents.roster import plannable, roster
from nexus.agents.spec import PLANNER, AgentSpec
from nexus.domain.chat import MOST_ANSWER
from nexus.domain.consent import Policy
from nexus.domain.graph import compile_plan
from nexus.domain.planned import read_planned
from nexus.domain.states import SubtaskKind
from nexus.domain.verdict import Verdict
from nexus.domain.work import Brief
from nexus.errors import Fenced, NotNow, OutputInvalid, PermanentFailure, ServiceMissing
from nexus.llm.book import ModelBook
from nexus.models.database import Database
from nexus.orchestrator.briefing import brief_claimed
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.conversing import read_chat, read_said, refuse_interrupted
from nexus.orchestrator.delegating import SPLITTING
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.folders import Folders
from nexus.orchestrator.ingesting import ingest
from nexus.orchestrator.journal import JournalSeam
from nexus.orchestrator.judging import AWAY_SECONDS, STRAY_CANCEL, judge, time_over
from nexus.orchestrator.outcomes import Outcome, Problem
from nexus.orchestrator.records import read_journal
from nexus.orchestrator.remembering import remember
from nexus.orchestrator.team import find_member, read_team
from nexus.orchestrator.value_files import ValueFiles
from nexus.orchestrator.words import read_words
from nexus.tools.guard import Guard
from nexus.tools.scope import Equipment, ToolScope

T = TypeVar("T")
AGAIN_SECONDS: Final = 0.5

MAX_OUTPUT: Final = 16 * 1024**2

INGEST_FAULTS: Final = 3

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bench:
    """What every run of this worker uses."""

    database: Database
    engine: WorkflowEngine
    equipment: Equipment
    models: ModelBook
    folders: Folders
    toolkit: Toolkit


async def attempt(bench: Bench, desk: Desk, claimed: Claimed) -> Outcome:
    """Run the agent of a claimed subtask once; every failure becomes a problem.

    Raises:
        Fenced: the claim is not held any more; there is nothing to settle.
    """
    try:
        async with asyncio.timeout(max(0.0, claimed.seconds_left)) as limit:
            return await _produce(bench, desk, claimed)
    except Fenced:
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this run: something the agent waited for was cancelled.
        return Outcome(problem=STRAY_CANCEL)
    except (Exception, SystemExit) as wrong:
        if limit.expired():
            return Outcome(problem=time_over(claimed.timeout_seconds))
        if (claimed.held.subtask_id, claimed.held.claim) in desk.hand.ending:
            raise asyncio.CancelledError from wrong  # what was raised is how it took that
        problem = _problem(claimed, wrong)
        _log_failure(claimed, wrong, problem)
        return Outcome(problem=problem)


def _log_failure(claimed: Claimed, wrong: BaseException, problem: Problem) -> None:
    aloud = log.info if problem.is_postponed else log.warning
    (log.debug if isinstance(wrong, NotNow) else aloud)(
        "subtask.attempt_failed",
        subtask_id=claimed.held.subtask_id,
        agent=claimed.agent,
        attempt=claimed.attempt,
        error=f"{type(wrong).__name__}: {wrong}"[:500],
    )


def _problem(claimed: Claimed, wrong: BaseException) -> Problem:
    """Judge what was raised; a document waits for a memory that is away, not for its own faults."""
    problem = judge(wrong)
    if claimed.kind is not SubtaskKind.INGEST:
        return problem
    if isinstance(wrong, ServiceMissing | NotNow):
        pause = AWAY_SECONDS * random.SystemRandom().uniform(1, 2)  # not all of them at once
        later = max(pause, problem.retry_after_seconds or 0.0)
        return replace(problem, is_postponed=True, stops_clock=True, retry_after_seconds=later)
    if claimed.attempt >= INGEST_FAULTS:
        return replace(problem, again=False)
    return problem


async def _produce(bench: Bench, desk: Desk, claimed: Claimed) -> Outcome:
    if claimed.kind is SubtaskKind.INGEST:
        return Outcome(output="", reading=await ingest(bench.database, bench.equipment, claimed))
    if claimed.kind is SubtaskKind.REMEMBER:
        await remember(bench.database, bench.folders.data, bench.equipment.memory, claimed)
        return Outcome(output="", is_apart=True)
    if claimed.kind is SubtaskKind.CHAT:
        claimed = await _with_chat(bench, claimed)
    briefing = await _patiently(lambda: brief_claimed(bench.database, bench.folders, claimed))
    agent = await _agent_of(bench, claimed)
    colleagues = await _colleagues(bench, claimed)
    journal = await _patiently(lambda: read_journal(bench.database, claimed))
    files = ValueFiles(briefing.places.values)
    seam = JournalSeam(bench.engine, desk, claimed, journal, files)
    context = Context(
        workspace=claimed.workspace,
        project_id=claimed.project_id or "",
        task_id=claimed.task_id,
        subtask_id=claimed.held.subtask_id,
        attempt=claimed.attempt,
        model=claimed.material.model if claimed.material else None,
        seam=seam,
        scope=ToolScope(
            workspace=claimed.workspace,
            project_id=claimed.project_id or "",
            folder=briefing.places.workspace,
            document_ids=claimed.material.document_ids if claimed.material else None,
            equipment=bench.equipment,
            agent=claimed.agent,
            guard=_guard(bench, claimed, briefing.brief),
        ),
        models=bench.models,
        colleagues=colleagues,
        may_delegate=claimed.kind in SPLITTING,
    )
    output = await agent.run(briefing.brief, context)
    await seam.close()
    if not isinstance(output, str):
        raise PermanentFailure(
            f"the agent {claimed.agent} returned {type(output).__name__}, not text",
            code="agent_error",
            hint="return a string; json.dumps for structures",
        )
    return _outcome(claimed, output, colleagues)


async def _colleagues(bench: Bench, claimed: Claimed) -> tuple[AgentSpec, ...]:
    """List the agents that whoever plans or delegates is told of."""
    if claimed.kind in SPLITTING:
        return tuple(plannable().values())
    if claimed.agent == PLANNER:
        return await _patiently(lambda: read_team(bench.database, claimed.workspace))
    return ()


def _outcome(claimed: Claimed, output: str, colleagues: tuple[AgentSpec, ...]) -> Outcome:
    """Read what an agent handed in, by what it was asked for."""
    kind = claimed.kind
    if kind in (SubtaskKind.PLAN, SubtaskKind.REPLAN):
        return _planned(output, colleagues, amends=kind is SubtaskKind.REPLAN)
    is_chat = kind is SubtaskKind.CHAT
    output = _checked(output, claimed.agent, MOST_ANSWER if is_chat else MAX_OUTPUT)
    if kind is SubtaskKind.REVIEW:
        return Outcome(verdict=Verdict.model_validate_json(output))
    if kind is SubtaskKind.DELEGATED:
        return Outcome(output, is_part=True)
    is_reviewed = bool(claimed.material and claimed.material.is_reviewed)
    return Outcome(output, is_chat=is_chat, is_reviewed=is_reviewed)


async def _with_chat(bench: Bench, claimed: Claimed) -> Claimed:
    """Add what a conversation holds; what was interrupted in it and is unsafe is refused first."""
    engine = bench.engine
    if claimed.has_history:
        await engine.persist(lambda turn: refuse_interrupted(claimed))
    material = await _patiently(lambda: engine.run(lambda turn: read_chat(claimed)))
    return replace(claimed, material=material)


async def _agent_of(bench: Bench, claimed: Claimed) -> AgentSpec:
    """Find the agent of a subtask: of this installation, else of the workspace."""
    agent = roster().get(claimed.agent)
    if agent is None:
        agent = await _patiently(
            lambda: find_member(bench.database, claimed.workspace, claimed.agent)
        )
    if agent is None:
        raise PermanentFailure(
            f"there is no agent named {claimed.agent} for this worker",
            code="unknown_agent",
            hint="declare it again with POST /agents and retry, or give the worker the same "
            "NEXUS_PLUGINS and agent files as the API",
        )
    if agent.builtin or agent.declaration:
        await bench.toolkit.ready()
    return agent


def _guard(bench: Bench, claimed: Claimed, brief: Brief) -> Guard:
    policy = claimed.material.policy if claimed.material else Policy.OUTWARD
    project_id, task_id = claimed.project_id or "", claimed.task_id
    given = brief.documents or brief.inputs or brief.submission or brief.revision
    earlier = brief.chat and brief.chat.history

    def said() -> Awaitable[str]:
        if brief.chat is None:
            return read_words(bench.database, project_id, task_id)
        return bench.engine.run(lambda turn: read_said(claimed.held.subtask_id))

    return Guard(
        policy,
        # Of a delegated part an agent wrote what it is to do.
        is_tainted=claimed.kind is SubtaskKind.DELEGATED or bool(given or earlier),
        trust=lambda: _patiently(said),
        is_anyone_asked=brief.chat is None,
    )


def _checked(output: str, agent: str, most: int) -> str:
    if not output.strip():
        raise OutputInvalid(f"the agent {agent} gave an empty answer", code="empty_output")
    if len(output) > most:
        raise PermanentFailure(
            f"the agent {agent} gave {len(output):,} characters, more than the {most:,} "
            "an output may have",
            code="output_too_large",
            hint="write large results to a file with write_file and return a summary",
        )
    return output


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Read, trying again while the database is away: that is no failure of the agent."""
    while True:
        try:
            return await read()
        except ServiceMissing:
            log.warning("database.missing", hint="waiting for it to return")
            await asyncio.sleep(AGAIN_SECONDS)


def _planned(output: str, colleagues: tuple[AgentSpec, ...], *, amends: bool) -> Outcome:
    planned = read_planned(output)
    usable = frozenset({*plannable(), *(one.name for one in colleagues)})
    graph = compile_plan(planned.plan, usable)
    return Outcome(
        output, planned.plan, graph, safe=planned.safe, reason=planned.reason, amends=amends
    )
