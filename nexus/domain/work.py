"""What an agent is given to do, and where it stands: pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TaskBrief:
    """The task an agent works on."""

    key: str
    title: str
    agent: str


@dataclass(frozen=True, slots=True)
class DocumentNote:
    """A document at hand: `file` is its path inside the project's workspace folder."""

    id: str
    title: str
    media_type: str
    bytes: int
    file: str


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything an agent receives: goal, task, instructions, acceptance criteria and upstream outputs.

    `inputs` maps the key of each task this one depends on to its output. For planning,
    `instructions` is the goal itself and `task` has the key `plan`.
    """

    goal: str
    task: TaskBrief
    instructions: str
    acceptance: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    documents: tuple[DocumentNote, ...] = ()
