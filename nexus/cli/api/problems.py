"""Answers of the API that are not a success, as the errors of `nexus.errors`."""

from typing import TYPE_CHECKING, Any, Final

from nexus.errors import (
    CallerError,
    Conflict,
    FieldProblem,
    Forbidden,
    InvalidInput,
    NexusError,
    NotFound,
    PreconditionFailed,
    ServiceMissing,
    TooLarge,
    Unauthorized,
)

if TYPE_CHECKING:
    import httpx2

BY_STATUS: Final[dict[int, type[CallerError]]] = {
    kind.status: kind
    for kind in (
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        TooLarge,
        InvalidInput,
    )
}
HINTS: Final = {
    401: "give a key that is valid there: NEXUS_API_KEY",
    403: "use a key with the scope this needs: nexus keys create",
    429: "wait a moment and try again",
}
SERVER_FAULT: Final = 500


def problem_from(answer: "httpx2.Response") -> NexusError:
    """Turn a problem document (RFC 9457), or whatever came instead, into an error to show."""
    body = _document(answer)
    status = answer.status_code
    message = _text(body.get("detail")) or _text(body.get("title"))
    message = message or f"{answer.request.url.host} answered {status} {answer.reason_phrase}"
    hint = _text(body.get("hint")) or HINTS.get(status)
    if status >= SERVER_FAULT:
        request_id = _text(body.get("request_id"))
        if request_id and not hint and status == SERVER_FAULT:
            hint = f"the API's log has more under request {request_id}"
        return ServiceMissing(message, hint=hint)
    return BY_STATUS.get(status, CallerError)(
        message, hint=hint, code=_text(body.get("code")), problems=_problems(body.get("errors"))
    )


def _document(answer: "httpx2.Response") -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _problems(errors: object) -> tuple[FieldProblem, ...]:
    if not isinstance(errors, list):
        return ()
    return tuple(
        FieldProblem(
            str(each.get("place") or each.get("field") or each.get("pointer") or "body"),
            str(each.get("message") or each.get("detail") or each),
        )
        for each in errors
        if isinstance(each, dict)
    )
