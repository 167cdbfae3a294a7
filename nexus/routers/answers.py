"""Answers that are not simply a model: stored ones, and the errors OpenAPI shows."""

from typing import Any, Final

from starlette.responses import Response

from nexus.schemas.problem import Problem
from nexus.services.idempotency import Answer

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {
        "description": "What the caller has to mend.",
        "model": Problem,
        "content": {"application/problem+json": {}},
    },
    "5XX": {
        "description": "What the operator has to mend; 503 is worth a repetition, 507 once there is room.",
        "model": Problem,
        "content": {"application/problem+json": {}},
    },
}


def send_answer(answer: Answer) -> Response:
    """Send a stored or just made answer."""
    headers = {}
    if answer.location:
        headers["Location"] = answer.location
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, media_type="application/json")


def prefers(accept: str, wanted: str, over: str) -> bool:
    """Tell whether an Accept header asks for `wanted` rather than for `over`.

    Source: RFC 9110, section 12.5.1; a tie goes to `over`.
    """
    return _quality(accept, wanted) > _quality(accept, over)


def _quality(accept: str, media_type: str) -> float:
    """Return the weight of the most exact range that matches."""
    found = (-1, 0.0)
    for entry in accept.split(",")[:20]:
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        exactness = _exactness(name, media_type)
        if exactness > found[0]:
            found = (exactness, _weight(parameters))
    return found[1]


def _exactness(name: str, media_type: str) -> int:
    if name == media_type:
        return 2
    if name == f"{media_type.partition('/')[0]}/*":
        return 1
    return 0 if name == "*/*" else -1


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return 0.0
    return 1.0
