"""What a raised error means for an attempt: the one table from errors to problems."""

from typing import Final

from nexus.errors import (
    CallerError,
    LimitReached,
    Misconfigured,
    ModelError,
    NexusError,
    NotNow,
    PermanentFailure,
    ServiceMissing,
    TransientFailure,
)
from nexus.orchestrator.outcomes import Problem

AWAY_SECONDS: Final = 5.0
"""How soon a service that was out of reach is asked again."""


def judge(wrong: BaseException) -> Problem:
    """Say what an attempt that raised `wrong` failed of, and whether another may help."""
    if isinstance(wrong, NexusError):
        hopeless = isinstance(wrong, PermanentFailure | LimitReached | CallerError | Misconfigured)
        return Problem(
            wrong.reason,
            wrong.message,
            wrong.hint,
            again=not hopeless,
            own_making=isinstance(wrong, ModelError),
            retry_after_seconds=_not_before(wrong),
            is_postponed=isinstance(wrong, NotNow),
        )
    if isinstance(wrong, BaseExceptionGroup):
        return judge(wrong.exceptions[0])
    text = str(wrong) or "no message"
    return Problem(
        "agent_error",
        f"the agent raised {type(wrong).__name__}: {text}",
        "see the worker's log for where it was raised",
    )


def _not_before(wrong: NexusError) -> float | None:
    if isinstance(wrong, TransientFailure):
        return wrong.retry_after_seconds
    return AWAY_SECONDS if isinstance(wrong, ServiceMissing) else None


def time_over(seconds: float) -> Problem:
    """The problem of a task that outlived its time."""
    return Problem(
        "timeout",
        f"not finished within its time limit of {seconds:g} s",
        "check that the model answers; raise the task's timeout_seconds or make it smaller; then retry",
        again=False,
    )


LOST = Problem(
    "worker_lost",
    "the worker that ran it was lost",
    "if this repeats, the task itself may bring its worker down",
    is_chance=True,
)


STRAY_CANCEL = Problem(
    "agent_error",
    "the agent ended with CancelledError, though nobody cancelled it",
    "something it waited for was cancelled; see the worker's log",
)
