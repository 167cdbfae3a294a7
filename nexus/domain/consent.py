"""What a person has to allow, and what is put to them: pure data."""

from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """What of a project needs a person's approval; interrupted unsafe calls do in each."""

    NONE = "none"  # nothing; agents ask no questions either
    UNSAFE = "unsafe"  # every call of a tool that is unsafe or marked
    OUTWARD = "outward"  # such calls once the task has read what strangers may have written
    ALL = "all"  # every call that changes or reaches anything, and the plan


class AskKind(StrEnum):
    """What a question to a person is about."""

    INTERRUPTED_CALL = "interrupted_call"  # shall it be called again?
    TOOL_CALL = "tool_call"  # may it be called?
    QUESTION = "question"  # an agent's own; the answer is the call's result
    PLAN = "plan"  # may it be executed?


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that is put to a person before it is made."""

    kind: AskKind
    question: str
