"""Turns every error into problem+json; the last resort of HTTP is here.

Nothing a client sent is repeated but the names of fields and what a rule says about a
plan's keys; an answer holds at most 4 KB.
"""

import errno
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from nexus.domain.ids import new_id
from nexus.errors import CallerError, FieldProblem, OperatorError, StorageFull, TransientFailure
from nexus.logs import get_log
from nexus.schemas.problem import Problem, WrongField

MAX_DETAIL: Final = 600
MAX_MESSAGE: Final = 300
MAX_PLACE: Final = 120
MAX_BYTES: Final = 4_096
RETRY_AFTER_SECONDS: Final = "2"
NOT_YET: Final = frozenset({"template", "inputs"})
SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when there is no room for a file."""
CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    414: "url_too_long",
    415: "unsupported_media_type",
    422: "invalid_input",
    431: "headers_too_large",
    500: "internal_error",
    503: "unavailable",
    507: "storage_full",
}

log = get_log("nexus.http")


def request_id_of(scope: Scope) -> str:
    """Return the id of this request, which the outermost guard gave it."""
    state = scope.setdefault("state", {})
    found: str = state.setdefault("request_id", "") or new_id("req")
    state["request_id"] = found
    return found


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    code: str | None = None,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the answer for an error."""
    request_id = request_id_of(scope)
    code = code or CODES.get(status, "error")
    shown = Problem(
        type=f"urn:nexus:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail[:MAX_DETAIL],
        instance=f"urn:nexus:request:{request_id}",
        code=code,
        request_id=request_id,
        errors=[
            WrongField(place=wrong.place[:MAX_PLACE], message=wrong.message[:MAX_MESSAGE])
            for wrong in errors[:20]
        ],
    )
    body = shown.model_dump_json().encode()
    while len(body) > MAX_BYTES:
        shown = shown.model_copy(update={"errors": shown.errors[:-1]})
        body = shown.model_dump_json().encode()
    return Response(
        body,
        status,
        {**(headers or {}), "X-Request-ID": request_id},
        media_type="application/problem+json",
    )


def install(app: FastAPI) -> None:
    """Register the answer for every kind of error."""
    app.add_exception_handler(CallerError, _caller_error)
    app.add_exception_handler(RequestValidationError, _wrong_fields)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in (OperatorError, TransientFailure, TimeoutError, ConnectionError):
        app.add_exception_handler(kind, _unavailable)
    app.add_exception_handler(OSError, _storage_full)
    app.add_exception_handler(Exception, _last_resort)


def caller_problem(scope: Scope, wrong: CallerError) -> Response:
    """Build the answer for an error that is the caller's to mend."""
    detail = f"{wrong.message}; {wrong.hint}" if wrong.hint else wrong.message
    headers = {"WWW-Authenticate": "Bearer"} if wrong.status == HTTPStatus.UNAUTHORIZED else None
    return problem(
        scope,
        wrong.status,
        detail,
        code=wrong.reason,
        errors=wrong.problems,
        headers=headers,
    )


async def _caller_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, CallerError):
        raise error
    return caller_problem(request.scope, error)


async def _wrong_fields(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        FieldProblem(place_of(wrong["loc"]), _message(wrong)) for wrong in error.errors()[:20]
    ]
    first = errors[0] if errors else FieldProblem("body", "not valid")
    return problem(
        request.scope,
        422,
        f"the request is not valid: {first.place}: {first.message}",
        code="invalid_input",
        errors=errors,
    )


def place_of(location: Sequence[str | int]) -> str:
    """Write a validation location as a place: `plan.phases[0].tasks[1].agent`."""
    source, *path = location
    if not path or (source == "body" and isinstance(path[0], int) and len(path) == 1):
        return str(source)
    place = ""
    for step in path:
        if isinstance(step, int):
            place += f"[{step}]"
        else:
            name = step if SAFE_NAME.fullmatch(step) else "(unnamed)"
            place += f".{name}" if place else name
    return place


def _message(wrong: Mapping[str, Any]) -> str:
    if wrong["type"] == "extra_forbidden":
        if wrong["loc"][-1] in NOT_YET:
            return "not supported yet: leave it out"
        return "unknown field"
    if wrong["type"] == "value_error":
        return str(wrong["ctx"]["error"])
    return str(wrong["msg"])


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
        # A file that came with a form had no room while it was read.
        return await _storage_full(request, error.__cause__)
    details = {
        404: "there is nothing at this address",
        405: "this address does not take that method",
    }
    return problem(
        request.scope,
        error.status_code,
        details.get(error.status_code, str(error.detail)),
        headers=error.headers,
    )


def unavailable(scope: Scope, error: Exception) -> Response:
    """Build the answer for a part of the installation that is out of reach."""
    log.warning("request.unavailable", request_id=request_id_of(scope), error=type(error).__name__)
    detail = "a part of this installation is out of reach; try again"
    code = "unavailable"
    status = 507 if isinstance(error, StorageFull) else 503
    if isinstance(error, OperatorError | TransientFailure):
        detail = f"{error.message}; {error.hint}" if error.hint else error.message
        code = error.reason
    return problem(scope, status, detail, code=code, headers={"Retry-After": RETRY_AFTER_SECONDS})


async def _unavailable(request: Request, error: Exception) -> Response:
    return unavailable(request.scope, error)


async def _storage_full(request: Request, error: Exception) -> Response:
    """Answer 507 where a file had no room; any other error of a file is a crash."""
    if not isinstance(error, OSError) or error.errno not in FULL:
        return await _last_resort(request, error)
    full = StorageFull("there is no room to store this", hint="free some space on the disk")
    return unavailable(request.scope, full)


async def _last_resort(request: Request, error: Exception) -> Response:
    log.error(
        "request.crashed",
        request_id=request_id_of(request.scope),
        method=request.method,
        error=type(error).__name__,
    )
    return problem(
        request.scope,
        500,
        "an error of Nexus itself; its log has more under this request_id",
        code="internal_error",
    )
