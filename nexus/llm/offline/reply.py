"""What a rule answers: text, or tool calls to make first."""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool to call and its arguments."""

    tool: str
    arguments: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Reply:
    """Either text or calls, never both and never neither."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
