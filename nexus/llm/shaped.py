"""A request for an answer of a given shape, and what its refusal means.

Called by the ManagerAgent; the one place that knows how servers say that they do not take
`tools`, a `response_format`, or so much text.
"""

import re
from typing import Any, Final

from pydantic_ai.exceptions import FallbackExceptionGroup, ModelHTTPError, UserError
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from nexus.llm.modes import Mode
from nexus.llm.overflow import TOO_LONG

REFUSING: Final = frozenset({400, 415, 422, 500, 501})
"""Statuses small servers answer when they do not know `tools` or a `response_format`."""
ABOUT_TOOLS: Final = re.compile(r"\btools?\b|\bfunction", re.IGNORECASE)


def request_in(
    mode: Mode, name: str, about: str, schema: dict[str, Any], *, most_tokens: int | None = None
) -> tuple[ModelSettings, ModelRequestParameters]:
    """Write what goes beside the messages so that the answer has the shape of `schema`.

    Args:
        most_tokens: where the answer is cut off; a weak model may never end by itself.
    """
    settings, parameters = _form(mode, name, about, schema)
    if most_tokens is not None:
        settings["max_tokens"] = most_tokens
    return settings, parameters


def _form(
    mode: Mode, name: str, about: str, schema: dict[str, Any]
) -> tuple[ModelSettings, ModelRequestParameters]:
    if mode is Mode.TOOL:
        tool = ToolDefinition(
            name=name, description=about, parameters_json_schema=schema, kind="output", strict=False
        )
        return ModelSettings(), ModelRequestParameters(output_mode="tool", output_tools=[tool])
    if mode is Mode.TEXT:
        return ModelSettings(), ModelRequestParameters()
    wanted: dict[str, Any] = {"type": "json_object", "schema": schema}
    if mode is Mode.SCHEMA:
        described = {"name": name, "description": about, "schema": schema, "strict": False}
        wanted = {"type": "json_schema", "json_schema": described}
    return ModelSettings(extra_body={"response_format": wanted}), ModelRequestParameters()


def is_too_long(error: BaseException) -> bool:
    """Tell whether a request was refused because the model cannot take so much text."""
    return all(_says_too_long(one) for one in _causes(error)) or _has_reason(error)


def _has_reason(error: BaseException) -> bool:
    return bool(getattr(error, "reason", "") == "model_context_exceeded")


def _says_too_long(cause: BaseException) -> bool:
    return _has_reason(cause) or bool(TOO_LONG.search(_said(cause)))


def is_refusal(error: BaseException) -> bool:
    """Tell whether a request may have failed because of its form: another mode may pass."""
    causes = _causes(error)
    return bool(causes) and all(_refuses(cause) for cause in causes)


def is_server_error(error: BaseException) -> bool:
    """Tell whether what looks like a refusal may as well be a server in trouble."""
    return any(
        isinstance(cause, ModelHTTPError) and cause.status_code >= 500 for cause in _causes(error)
    )


def _refuses(cause: BaseException) -> bool:
    if isinstance(cause, UserError):
        return True
    if not isinstance(cause, ModelHTTPError):
        return False
    if cause.status_code == 404:
        return bool(ABOUT_TOOLS.search(_said(cause)))
    return cause.status_code in REFUSING


def _said(cause: BaseException) -> str:
    return str(cause.body if isinstance(cause, ModelHTTPError) else cause)[:4_000]


def _causes(error: BaseException) -> list[BaseException]:
    """Find what the SDKs raised beneath an error of ours: one for each link of a chain."""
    if isinstance(error, FallbackExceptionGroup):
        return [cause for inner in error.exceptions for cause in _causes(inner)]
    if isinstance(error, ModelHTTPError | UserError) or error.__cause__ is None:
        return [error]
    return _causes(error.__cause__)
