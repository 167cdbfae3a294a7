"""A request made to fit its model's window: long texts in excerpts, said where they stand.

Called for each model of a chain, behind the journal: what is recorded and replayed is the
request as it was before. Short requests cost one look at their length.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from nexus.domain.seam import Json
from nexus.errors import PermanentFailure
from nexus.llm.excerpting import MARK_TOKENS, excerpt
from nexus.llm.measuring import (
    Measured,
    Slot,
    is_exchange,
    is_round,
    length_of,
    measure,
    measure_frame,
    says_something,
)
from nexus.llm.windows import Window

EXCEEDED: Final = "model_context_exceeded"
MOST_TOKENS_A_CHARACTER: Final = 2
LEAST_SHOWN: Final = MARK_TOKENS + 30
USEFUL: Final = 2 * MARK_TOKENS
STUB: Final = 30
"""Tokens of the mark where a text is left out whole."""
OFF_LOOP: Final = 100_000
"""Characters from which on the work is done in a thread."""
SPARED: Final = 8
"""Share of a window that others' texts have at least: what is taken from the answer's room."""
DOUBTFUL: Final = 2
"""How far an estimate may be off: what cannot be cut is sent all the same if this share fits."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What to send; `told` is what people read of it, None where nothing was left out.

    `tokens` is the estimate, 0 where nobody had to make one.
    """

    messages: list[ModelMessage]
    tokens: int = 0
    told: Json = None


async def fit(
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    window: Window,
    name: str,
) -> Fitted:
    """Make a request fit.

    Raises:
        PermanentFailure: it cannot, whatever is left out; the message says which part is too long.
    """
    length = length_of(messages, parameters)
    most_answered = (settings or {}).get("max_tokens")
    if length * MOST_TOKENS_A_CHARACTER * window.factor <= window.room(most_answered):
        return Fitted(messages)
    await window.find_out()
    room = window.room(most_answered)
    work = _Fitting(messages, parameters, window, room, name)
    return await asyncio.to_thread(work.fit) if length > OFF_LOOP else work.fit()


def estimate(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters, window: Window
) -> int:
    """Estimate the tokens of a request, upwards."""
    frame = measure_frame(messages, parameters, window.count)
    return frame.tokens + sum(one.tokens for one in measure(messages, window.count))


def refusal(
    messages: Sequence[ModelMessage],
    parameters: ModelRequestParameters,
    window: Window,
    name: str,
) -> PermanentFailure:
    """Say why a request is too long although all is left out that may be."""
    measured = [
        measure_frame(messages, parameters, window.count),
        *measure(messages, window.count),
    ]
    return _too_long(sum(one.fixed for one in measured), measured, window, name)


def _too_long(
    fixed: int, measured: Sequence[Measured], window: Window, name: str
) -> PermanentFailure:
    tokens, part = max(one.largest for one in measured)
    return PermanentFailure(
        f"the model {name} was given more text than it can take: it takes {window.tokens:,} "
        f"tokens, and of this request about {fixed:,} cannot be left out; {part} alone has "
        f"{tokens:,}",
        hint=f"shorten {part}, use a model with a larger window, or set NEXUS_CONTEXT_TOKENS "
        "if this one's is larger",
        code=EXCEEDED,
    )


@dataclass(slots=True)
class _Fitting:
    """One request on its way to fit."""

    messages: list[ModelMessage]
    parameters: ModelRequestParameters
    window: Window
    room: int
    name: str
    rounds: int = 0
    exchanges: int = 0
    shown: int = 0
    excerpts: list[Json] = field(default_factory=list)

    def fit(self) -> Fitted:
        frame = measure_frame(self.messages, self.parameters, self.window.count)
        measured = measure(self.messages, self.window.count)
        tokens = frame.tokens + sum(one.tokens for one in measured)
        if tokens <= self.room:
            return Fitted(self.messages, tokens)
        messages, measured = self._drop_oldest(frame, measured)
        fixed = frame.fixed + sum(one.fixed for one in measured)
        slots = [slot for one in measured for slot in one.slots]
        spare = self.room - fixed - (2 * MARK_TOKENS if self._has_dropped else 0)
        if spare < _least(slots):
            self._refuse_if_hopeless(fixed, [frame, *measured])
        least = min(_least(slots), self.window.tokens // SPARED)
        given = iter(_shares(slots, max(spare, least)))
        sent = [
            self._shown(message, [(slot, next(given)) for slot in one.slots])
            for message, one in zip(messages, measured, strict=True)
        ]
        if not self.excerpts and not self._has_dropped:
            return Fitted(self.messages, tokens)
        told: dict[str, Json] = {
            "model": self.name,
            "window_tokens": self.window.tokens,
            "excerpts": self.excerpts,
            "rounds_left_out": self.rounds,
            "messages_left_out": self.exchanges,
        }
        return Fitted(self._noted(sent), fixed + self.shown, told)

    @property
    def _has_dropped(self) -> bool:
        return bool(self.rounds or self.exchanges)

    def _drop_oldest(
        self, frame: Measured, measured: list[Measured]
    ) -> tuple[list[ModelMessage], list[Measured]]:
        """Leave out the oldest exchanges and rounds of tool calls while stubs are too many."""
        messages, kept = list(self.messages), list(measured)
        least = frame.fixed + sum(one.fixed + _least(one.slots) for one in kept)
        at = 0
        while least > self.room and at + 2 < len(messages):
            if is_exchange(*messages[at : at + 3]):
                self.exchanges += 1
            elif is_round(*messages[at : at + 2]):
                self.rounds += 1
            else:
                at += 1
                continue
            least -= sum(one.fixed + _least(one.slots) for one in kept[at : at + 2])
            del messages[at : at + 2], kept[at : at + 2]
        return messages, kept

    def _refuse_if_hopeless(self, fixed: int, measured: Sequence[Measured]) -> None:
        """Raise where the request cannot be taken; where that is in doubt the server decides."""
        doubt = 1 if self.window.cuts_silently else DOUBTFUL
        if fixed <= self.window.tokens * doubt:
            return
        raise _too_long(fixed, measured, self.window, self.name)

    @property
    def _why(self) -> str:
        return f"to fit the model's window of {self.window.tokens:,} tokens"

    def _shown(self, message: ModelMessage, given: list[tuple[Slot, int]]) -> ModelMessage:
        if not isinstance(message, ModelRequest):
            return message
        parts = list(message.parts)
        for slot, most in reversed(given):
            found = None
            if slot.tokens > most:
                found = excerpt(slot.text, slot.query, most, self.window.count, self._why)
            if found is None or len(found.text) >= len(slot.text):
                self.shown += slot.tokens
                continue
            self.shown += self.window.count(found.text)
            self.excerpts.append({"of": slot.name, "passages": found.shown, "all": found.of})
            part = parts[slot.part]
            if isinstance(part, ToolReturnPart):
                parts[slot.part] = ToolReturnPart(
                    part.tool_name, found.text, part.tool_call_id, outcome=part.outcome
                )
            elif isinstance(part, UserPromptPart) and isinstance(part.content, str):
                whole = f"{part.content[: slot.start]}{found.text}{part.content[slot.end :]}"
                parts[slot.part] = replace(part, content=whole)
        return replace(message, parts=parts)

    def _noted(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        """Say in the prompt what was left out before it and after it."""
        at = max((at for at, one in enumerate(messages) if says_something(one)), default=0)
        prompt = messages[at]
        if not self._has_dropped or not isinstance(prompt, ModelRequest):
            return messages
        counted = {
            "first messages of this conversation, with their answers": self.exchanges,
            "first rounds of tool calls, with their results": self.rounds,
        }
        said = " and ".join(f"the {number} {what}" for what, number in counted.items() if number)
        noted = _with_note(prompt, f"[left out: {said}, {self._why}]")
        return [*messages[:at], noted, *messages[at + 1 :]]


def _with_note(prompt: ModelRequest, note: str) -> ModelRequest:
    """Add a line to a prompt: to its last text, for not every chat template takes two in a row."""
    *before, last = prompt.parts
    if isinstance(last, UserPromptPart) and isinstance(last.content, str):
        return replace(prompt, parts=[*before, replace(last, content=f"{last.content}\n{note}")])
    return replace(prompt, parts=[*prompt.parts, UserPromptPart(note)])


def _least(slots: Sequence[Slot]) -> int:
    return sum(min(slot.tokens, LEAST_SHOWN) for slot in slots)


def _shares(slots: Sequence[Slot], room: int) -> list[int]:
    """Give each text what it needs or its share of the room, whichever is less.

    Where shares would be too small to say anything, some texts are left out whole: older
    results of tools before newer ones, the passages found last before the first.
    """
    order = sorted(range(len(slots)), key=lambda at: _rank(slots[at], at))
    for start in range(len(order)):
        kept = order[start:]
        given = _poured({at: slots[at] for at in kept}, room - STUB * start)
        if all(most >= min(slots[at].tokens, USEFUL) for at, most in given.items()):
            break
    return [given.get(at, 0) for at in range(len(slots))] if slots else []


def _rank(slot: Slot, at: int) -> tuple[int, int]:
    return slot.weight, -at if slot.name.startswith("passage") else at


def _poured(slots: Mapping[int, Slot], room: int) -> dict[int, int]:
    given: dict[int, int] = {}
    weights = sum(slot.weight for slot in slots.values())
    for at, slot in sorted(slots.items(), key=lambda one: one[1].tokens / one[1].weight):
        given[at] = max(0, min(slot.tokens, room * slot.weight // weights))
        room -= given[at]
        weights -= slot.weight
    return given
