"""What went wrong at a model, said so that a person can act and the engine can decide.

Called around every request to a model. Never shows keys, bodies or stack traces.
"""

from urllib.parse import urlsplit

from openai import OpenAIError
from pydantic import ValidationError
from pydantic_ai.exceptions import (
    AgentRunError,
    FallbackExceptionGroup,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRequestTimeout,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)

from nexus.errors import ModelError, NexusError, NotNow, PermanentFailure, TransientFailure
from nexus.llm.overflow import read_overflow

GARBAGE = (
    UnexpectedModelBehavior,
    ValidationError,
    OpenAIError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
)
"""What the SDKs raise on a body that is no completion: they build reply objects unchecked."""

PERMANENT_STATUS = frozenset({400, 401, 402, 403, 404, 405, 410, 413, 415, 422})
MAX_RETRY_AFTER_SECONDS = 3_600.0


def host_of(base_url: str | None) -> str:
    """Name the server of a base URL without its path, user or password."""
    parts = urlsplit(base_url or "")
    if not parts.hostname:
        return "its server"
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname


def explain(error: Exception, model: str, base_url: str | None = None) -> NexusError:
    """Turn what a request to `model` raised into an error of our tree."""
    where = f"the model {model} at {host_of(base_url)}"
    if isinstance(error, NexusError):
        return error
    if isinstance(error, FallbackExceptionGroup):
        return explain_chain(error, model)
    if isinstance(error, (ModelTimeoutError, ModelRequestTimeout, TimeoutError)):
        return TransientFailure(
            f"{where} did not answer in time",
            hint="raise NEXUS_MODEL_TIMEOUT_SECONDS if the model is slow, then retry",
            code="model_timeout",
        )
    if isinstance(error, ModelConnectionError):
        return TransientFailure(
            f"{where} cannot be reached",
            hint="check that the server runs and its address is right, then retry",
            code="model_unreachable",
        )
    if isinstance(error, ModelHTTPError):
        return _explain_status(error, where)
    if isinstance(error, UserError):
        return PermanentFailure(
            f"{where} cannot take this request: {_short(str(error))}", code="model_request"
        )
    return _explain_rest(error, where)


def _explain_rest(error: Exception, where: str) -> NexusError:
    if isinstance(error, ModelQuotaExceededError):
        return _quota(where)
    if isinstance(error, ModelAPIError) and not isinstance(error.__cause__, ValueError):
        return TransientFailure(
            f"{where} failed: {_short(error.message)}",
            hint="see what the model's server says, then retry",
            code="model_unavailable",
            retry_after_seconds=_wait(error.retry_after),
        )
    return TransientFailure(
        f"{where} answered with something that is not a model's reply",
        hint="check that the address is that of an OpenAI-compatible API, then retry",
        code="model_garbled",
    )


def _explain_status(error: ModelHTTPError, where: str) -> NexusError:
    status = error.status_code
    if isinstance(error, ModelQuotaExceededError):
        return _quota(where)
    if isinstance(error, ModelAuthenticationError) or status in (401, 403):
        return PermanentFailure(
            f"{where} refused the key (HTTP {status})",
            hint="check the provider's API key and that it may use this model, then retry",
            code="model_key_refused",
        )
    if isinstance(error, ModelNotFoundError) or status == 404:
        return PermanentFailure(
            f"{where} does not exist (HTTP {status})",
            hint="check the model's name and the base URL, then retry",
            code="model_not_found",
        )
    if read_overflow(error):
        return PermanentFailure(
            f"{where} was given more text than it can take (HTTP {status})",
            hint="use a model with a larger context, or split the task",
            code="model_context_exceeded",
        )
    if status in PERMANENT_STATUS:
        return PermanentFailure(
            f"{where} rejected the request (HTTP {status}): {_reason(error.body)}",
            hint="check that the model takes chats with tools",
            code="model_request",
        )
    if status == 429:
        return NotNow(
            f"{where} is limiting requests (HTTP {status})",
            hint="wait for the limit to pass, then retry",
            retry_after_seconds=_wait(error.retry_after),
        )
    return TransientFailure(
        f"{where} failed (HTTP {status})",
        hint="see what the model's server says, then retry",
        code="model_unavailable",
        retry_after_seconds=_wait(error.retry_after),
    )


def explain_chain(group: FallbackExceptionGroup, model: str) -> NexusError:
    """Say what became of every model of a chain; one that may recover makes the whole transient."""
    causes = [explain(e, model) for e in group.exceptions if isinstance(e, Exception)]
    message = "; ".join(dict.fromkeys(cause.message for cause in causes))
    passing = [cause for cause in causes if isinstance(cause, TransientFailure)]
    if not passing:
        return PermanentFailure(
            f"every model of the chain failed: {message}",
            hint=causes[0].hint if causes else None,
            code="model_chain_failed",
        )
    waits = [cause.retry_after_seconds for cause in passing]
    known = [wait for wait in waits if wait is not None]
    limited = all(isinstance(cause, NotNow) for cause in passing)
    return (NotNow if limited else TransientFailure)(
        f"every model of the chain failed: {message}",
        hint=passing[0].hint,
        code="model_chain_failed",
        retry_after_seconds=min(known) if len(known) == len(waits) else None,
    )


def is_ours(error: BaseException) -> bool:
    """Tell whether a failed request may be tried at the next model of a chain."""
    return isinstance(error, (TransientFailure, PermanentFailure, ModelError, AgentRunError))


def _quota(where: str) -> PermanentFailure:
    return PermanentFailure(
        f"{where} says that the account's quota or credit is used up",
        hint="top up the account or use another model, then retry",
        code="model_quota",
    )


def _wait(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _reason(body: object) -> str:
    """Find the server's own sentence in an error body."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(text, str) and text.strip():
            return _short(text)
    return "it gave no reason"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 200 else flat[:199] + "…"
