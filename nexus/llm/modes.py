"""How a server can be asked for an answer of a given shape: a tool call, a schema, or words alone.

Servers differ and tell nobody beforehand: what one refuses is learnt and remembered, a process
long. Kept by the model book; makes no request of its own.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from nexus.llm.naming import OFFLINE, parse_chain


class Mode(StrEnum):
    """Ways to ask, the most exact for able models first."""

    TOOL = "tool"  # the answer is the arguments of a tool call
    SCHEMA = "schema"  # `response_format` with a JSON schema, as OpenAI defines it
    GRAMMAR = "grammar"  # `json_object` with a `schema` beside it, as llama.cpp-python takes it
    TEXT = "text"  # the instructions say what to write


LADDERS: Final = {OFFLINE: (Mode.TOOL,), "anthropic": (Mode.TOOL, Mode.TEXT)}
HOSTED: Final = (Mode.TOOL, Mode.SCHEMA, Mode.TEXT)
OWN: Final = tuple(Mode)


@dataclass(slots=True)
class Modes:
    """What this process knows of each model's server, by the model's name or chain."""

    _begin: dict[str, Mode] = field(default_factory=dict)

    def first(self, model: str) -> Mode:
        """Say where to begin: at the mode that was found to work, else at the top."""
        return self._begin.get(model, Mode.TOOL)

    def remember(self, model: str, mode: Mode) -> None:
        """Keep a mode that gave what was asked for."""
        self._begin[model] = mode


def ladder(model: str, *, is_own: bool) -> tuple[Mode, ...]:
    """List the modes worth trying, best first; all links of a chain must know them.

    Args:
        is_own: the server is one of the installation's own, which may be of any make.
    """
    if is_own:
        return OWN
    ladders = [LADDERS.get(link.provider, HOSTED) for link in parse_chain(model)]
    return tuple(mode for mode in Mode if all(mode in known for known in ladders))
