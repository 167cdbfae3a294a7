"""What a request is made of, and which of it may be shown in excerpts.

Pure; called by `fitting.py`. Excerpts may stand for what others wrote (inputs, results of
tools, a submission, passages), never for instructions, a task or its criteria.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters

SECTION: Final = re.compile(
    r"^<(input|submission|former|passage|documents|goal)((?: [^>\n]*)?)>\n(.*?)\n</\1>$",
    re.MULTILINE | re.DOTALL,
)
ASKING: Final = re.compile(
    r"^<(task|message|acceptance|criteria|findings|comment)((?: [^>\n]*)?)>\n(.*?)\n</\1>$",
    re.MULTILINE | re.DOTALL,
)
NAMED: Final = re.compile(r'(?:task|title)="([^"]*)"')
MOST_QUERY: Final = 4_000
PER_MESSAGE: Final = 12
"""Tokens a chat template puts around a message, and a tool."""
WEIGHTS: Final[Mapping[str, int]] = {"submission": 8, "input": 4, "documents": 1, "goal": 1}
OTHERS: Final = 2
Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Slot:
    """A text that may be shown in excerpts: the `start`..`end` of part `part` of a message."""

    part: int
    start: int
    end: int
    text: str
    name: str
    weight: int
    query: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One message: the tokens nothing can be done about, by what they are, and the rest."""

    fixed: int
    slots: tuple[Slot, ...] = ()
    largest: tuple[int, str] = (0, "")

    @property
    def tokens(self) -> int:
        return self.fixed + sum(slot.tokens for slot in self.slots)


def length_of(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> int:
    """Return about how many characters a request has, in microseconds."""
    length = 1_500 * (len(parameters.function_tools) + len(parameters.output_tools))
    for message in messages:
        if isinstance(message, ModelRequest) and message.instructions:
            length += len(message.instructions)
        for part in message.parts:
            content = getattr(part, "content", None) or getattr(part, "args", None)
            length += len(content) if isinstance(content, str) else len(repr(content))
    return length


def measure_frame(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters, count: Count
) -> Measured:
    """Measure what stands around the messages: instructions and tools."""
    spoken = [m.instructions for m in messages if isinstance(m, ModelRequest) and m.instructions]
    instructions = count(spoken[-1]) if spoken else 0
    described = [
        json.dumps([tool.name, tool.description, tool.parameters_json_schema], ensure_ascii=False)
        for tool in (*parameters.function_tools, *parameters.output_tools)
    ]
    tools = sum(count(text) + PER_MESSAGE for text in described)
    largest = max((instructions, "the agent's instructions"), (tools, "what describes its tools"))
    return Measured(instructions + tools + 2 * PER_MESSAGE, largest=largest)


def measure(messages: Sequence[ModelMessage], count: Count) -> list[Measured]:
    """Measure each message."""
    asked = query_of(messages)
    calls: dict[str, str] = {}
    found = []
    prompt = max((at for at, one in enumerate(messages) if says_something(one)), default=0)
    for at, message in enumerate(messages):
        is_last = at == len(messages) - 1
        tally = _Tally(count, asked, calls, is_last=is_last, is_prompt=at == prompt)
        for number, part in enumerate(message.parts):
            tally.add(number, part)
        found.append(Measured(tally.fixed + PER_MESSAGE, tuple(tally.slots), tally.largest))
    return found


def query_of(messages: Sequence[ModelMessage]) -> str:
    """Find what is asked: a task and its criteria, or a message, else the words said last."""
    for message in reversed(messages):
        for part in message.parts:
            if isinstance(part, UserPromptPart) and isinstance(part.content, str):
                asked = [f"{m[2]} {m[3]}" for m in ASKING.finditer(part.content)]
                return "\n".join(asked)[:MOST_QUERY] or part.content[:MOST_QUERY]
    return ""


def says_something(message: ModelMessage) -> bool:
    """Tell whether a message is a prompt, or what a person said."""
    return any(isinstance(part, UserPromptPart) for part in message.parts)


def is_round(first: ModelMessage, second: ModelMessage) -> bool:
    """Tell whether two messages are calls of tools and their results, and nothing else."""
    return (
        isinstance(first, ModelResponse)
        and isinstance(second, ModelRequest)
        and all(isinstance(part, ToolReturnPart | RetryPromptPart) for part in second.parts)
    )


def is_exchange(first: ModelMessage, second: ModelMessage, third: ModelMessage) -> bool:
    """Tell whether two messages are an earlier question and its answer: another one follows."""
    return says_something(first) and isinstance(second, ModelResponse) and says_something(third)


@dataclass(slots=True)
class _Tally:
    """Measures the parts of one message."""

    count: Count
    asked: str
    calls: dict[str, str]
    is_last: bool
    is_prompt: bool  # ours, with sections; what a person said before has none
    fixed: int = 0
    slots: list[Slot] = field(default_factory=list)
    largest: tuple[int, str] = (0, "")

    def add(self, number: int, part: object) -> None:
        if self.is_prompt and isinstance(part, UserPromptPart) and isinstance(part.content, str):
            self._add_prompt(number, part.content)
        elif isinstance(part, ToolReturnPart):
            self._add_result(number, part)
        elif isinstance(part, ToolCallPart):
            self.calls[part.tool_call_id] = part.args_as_json_str()
            self._fix(part.args_as_json_str(), f"a call of the tool {part.tool_name}")
        elif isinstance(part, TextPart):
            self._fix(part.content, "an earlier answer")
        elif isinstance(part, RetryPromptPart):
            self._fix(part.model_response(), "a correction")
        else:
            self._fix(str(getattr(part, "content", "")), "the request")

    def _add_prompt(self, number: int, text: str) -> None:
        has_task = "<task " in text
        left, rest = 0, []
        for found in SECTION.finditer(text):
            if found[1] == "goal" and not has_task:
                continue
            rest.append(text[left : found.start(3)])
            left = found.end(3)
            name = f"{found[1]} {' '.join(NAMED.findall(found[2]))}".strip()
            weight = WEIGHTS.get(found[1], OTHERS)
            span = (number, *found.span(3), found[3])
            self.slots.append(Slot(*span, name, weight, self.asked, self.count(found[3])))
        rest.append(text[left:])
        self._fix("".join(rest), "the task with its criteria" if has_task else "the request")

    def _add_result(self, number: int, part: ToolReturnPart) -> None:
        text = part.model_response_str()
        query = f"{self.asked}\n{self.calls.get(part.tool_call_id, '')[:MOST_QUERY]}"
        span = (number, 0, len(text), text)
        weight = WEIGHTS["input"] if self.is_last else 1
        name = f"result of {part.tool_name}"
        self.slots.append(Slot(*span, name, weight, query, self.count(text)))
        self.fixed += PER_MESSAGE

    def _fix(self, text: str, name: str) -> None:
        tokens = self.count(text)
        self.fixed += tokens
        self.largest = max(self.largest, (tokens, name))
