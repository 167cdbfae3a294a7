"""What an agent is given to do, and where it stands: pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nexus.domain.chat import Chat
from nexus.domain.plan import Plan
from nexus.domain.verdict import Finding


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
class TaskStanding:
    """How far a task has come; `output` may be an excerpt, `error` says why it failed."""

    status: str
    output: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a plan stands when the rest of it is to be amended.

    `tasks` maps the key of every task of `plan` to its standing; what is neither pending nor
    failed, skipped or cancelled stays as it is. `because` is `requested`, `task_failed`,
    `task_rejected` or `stalled`; `comment` is what a person asked for.
    """

    plan: Plan
    tasks: Mapping[str, TaskStanding]
    because: str
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """What a task's agent has to answer: its former output, and what the review did not find met.

    `round` counts revisions from 1.
    """

    output: str
    findings: tuple[Finding, ...]
    round: int


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything an agent receives: goal, task, instructions, acceptance criteria and upstream outputs.

    `inputs` maps the key of each task this one depends on to its output. For planning,
    `instructions` is the goal itself and `task` has the key `plan`; `standing` is there when
    a plan is to be amended, and `budget` has what the project may spend, by the API's names;
    `submission` (an output of the task) when it is to be reviewed, `revision` when findings
    of a review are to be answered, and without its output when a review is to see whether they were; `chat` when a person speaks to the agent, whose message is
    `goal` and `instructions`; `recalls` when the workspace remembers earlier work. Whoever judges
    work has in `citations` what each mark of it stands for, "" for nothing that was shown.
    """

    goal: str
    task: TaskBrief
    instructions: str
    acceptance: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    documents: tuple[DocumentNote, ...] = ()
    standing: Standing | None = None
    budget: Mapping[str, object] = field(default_factory=dict)
    submission: str | None = None
    revision: Revision | None = None
    chat: Chat | None = None
    recalls: bool = False
    citations: Mapping[str, str] = field(default_factory=dict)
