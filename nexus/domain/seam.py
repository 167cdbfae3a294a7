"""The seam every model call, tool call and step passes: begin, effect, record.

Agents and tools see only this protocol; the orchestrator implements it over the journal.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from nexus.domain.consent import Ask
from nexus.domain.delegation import Part

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class CallKind(StrEnum):
    """What a journal record is of."""

    MODEL = "model"
    TOOL = "tool"
    STEP = "step"


class Effect(StrEnum):
    """What an interrupted call may do when it is met again."""

    READ = "read"  # made again, freely
    IDEMPOTENT = "idempotent"  # made again with the same idempotency key
    UNSAFE = "unsafe"  # never made again by itself


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls cost: requests and tokens are counts, `cost_pico_usd` pico-dollars (None: price unknown)."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico_usd: int | None = 0


@dataclass(frozen=True, slots=True)
class Need:
    """What a model call is expected to use (`cost_pico_usd` None: its price is unknown)."""

    tokens: int = 0
    cost_pico_usd: int | None = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One effect about to happen.

    `key` identifies it inside its subtask: "" for model calls (the journal numbers them),
    the tool-call id for tools, the step's name for steps. `fingerprint` is the hex SHA-256
    of its canonical arguments. `request` is what a person may read of it in the journal.
    `need` estimates what it will use; asked only where a budget has to know.
    With `ask`, a person has to allow it first. With `parts`, others do them, and what they
    came to is the call's result: its effect never runs. `enter` is awaited before a call that is to be
    made begins; what it raises ends the run, and nothing is recorded.
    """

    kind: CallKind
    name: str
    key: str
    fingerprint: str
    effect: Effect = Effect.READ
    request: Json = None
    need: Callable[[], Need] | None = field(default=None, compare=False, repr=False)
    ask: Ask | None = None
    parts: tuple[Part, ...] = ()
    enter: Callable[[], Awaitable[None]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that a call wrote: its path in the project's folder, its size, its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an effect came to: a JSON `value` that replay returns, what it cost, what it wrote.

    `fitted` says what was left out of a model's request to fit its window.
    """

    value: Json
    usage: Usage = field(default_factory=Usage)
    outcome: str = "ok"
    files: tuple[MadeFile, ...] = ()
    fitted: Json = None


class Seam(Protocol):
    """Guards and journals calls of one claim of one subtask."""

    async def call(self, call: Call, effect: Callable[[str], Awaitable[Recorded]]) -> Json:
        """Return the recorded value of `call`, making it first if no record exists.

        `effect` receives the call's stable idempotency key and runs only after the intent
        is committed; its result is committed before this returns.

        Raises:
            Fenced: the claim is no longer ours, or the project was cancelled.
            LimitReached: the subtask has used up its model calls.
            InvalidInput: its parts cannot be delegated; nothing has begun.
        """
        ...
