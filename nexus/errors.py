"""Every error Nexus raises on purpose, in four branches by who has to act.

NexusError
├── CallerError         the client of the API or the command line: a 4xx
│   ├── Unauthorized 401 · Forbidden 403 · NotFound 404 · Conflict 409
│   ├── PreconditionFailed 412 · TooLarge 413 · InvalidInput 422
├── ModelError          the model: what it wrote cannot be used
│   ├── ToolRefused     becomes an observation the model reads
│   └── OutputInvalid   the reply is not what was asked for
├── EngineError         the engine decides what becomes of the subtask
│   ├── TransientFailure (tried again) · PermanentFailure (given up)
│   │   └── NotNow      later, and no attempt is used up: a rate limit, documents being read
│   ├── LimitReached    a cap on calls, time or money
│   ├── OverBudget      the project's budget has no room for a call now: it has not begun
│   ├── Fenced          the claim is no longer ours: abandon silently
│   └── StatementRefused  the database will not do this, however often it is asked
└── OperatorError       whoever runs Nexus: a 503 or a refusal to start
    ├── ServiceMissing  Redis, Chroma, the database or a model is out of reach
    │   └── StorageFull a disk is full: 507
    └── Misconfigured   settings that cannot work together

Messages say what happened, to which thing, and what to do about it.
"""

from dataclasses import dataclass
from typing import ClassVar


class NexusError(Exception):
    """Base of the tree: a stable `code`, a message and an optional hint."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = code or self.code


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: `place` is a path such as `plan.phases[0].tasks[1].agent`."""

    place: str
    message: str


class CallerError(NexusError):
    """The caller sent something that cannot be done; `status` is the HTTP status."""

    code = "bad_request"
    status: ClassVar[int] = 400

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        problems: tuple[FieldProblem, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.problems = problems


class Unauthorized(CallerError):
    code, status = "unauthorized", 401


class Forbidden(CallerError):
    code, status = "forbidden", 403


class NotFound(CallerError):
    code, status = "not_found", 404


class Conflict(CallerError):
    code, status = "conflict", 409


class PreconditionFailed(CallerError):
    code, status = "precondition_failed", 412


class TooLarge(CallerError):
    code, status = "too_large", 413


class InvalidInput(CallerError):
    code, status = "invalid_input", 422


class ModelError(NexusError):
    """What a model wrote cannot be used."""

    code = "model_error"


class ToolRefused(ModelError):
    """A tool call that is not carried out; the model reads the message."""

    code = "tool_refused"


class OutputInvalid(ModelError):
    """A model's reply that is empty or not of the shape asked for."""

    code = "model_output_invalid"


class EngineError(NexusError):
    """The engine decides what becomes of the subtask."""

    code = "engine_error"


class TransientFailure(EngineError):
    """Worth another attempt; `retry_after_seconds` is the earliest moment for it, if known."""

    code = "transient_failure"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after_seconds = retry_after_seconds


class NotNow(TransientFailure):
    """The work waits, and nothing is wrong with it: a rate limit, or documents still being read."""

    code = "model_rate_limited"


class PermanentFailure(EngineError):
    """Another attempt cannot help."""

    code = "permanent_failure"


class LimitReached(EngineError):
    """A cap on calls, time or money ended the work."""

    code = "limit_reached"


class OverBudget(EngineError):
    """A call has not begun: what is spent and reserved leaves no room in the project's budget."""

    code = "budget_exhausted"


class Fenced(EngineError):
    """The subtask belongs to another claim now, or was cancelled: drop it without a trace."""

    code = "fenced"


class StatementRefused(EngineError):
    """The database is there and refuses a statement: asking again cannot help."""

    code = "statement_refused"


class OperatorError(NexusError):
    """Whoever runs this installation has to act."""

    code = "unavailable"


class ServiceMissing(OperatorError):
    """A service that Nexus needs is out of reach at the moment."""

    code = "service_missing"


class StorageFull(ServiceMissing):
    """There is no room to store it; nothing of it was stored."""

    code = "storage_full"


class Misconfigured(OperatorError):
    """Settings that cannot work; the message names the variable."""

    code = "misconfigured"
