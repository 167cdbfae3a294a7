"""Get a plan out of a model: in the best mode its server takes, with two repairs, within bounds.

Called by the ManagerAgent. Every request stands alone, so that repairs stay short: the same
prompt, the draft that could not run, and what is wrong with it. Ends with a plan or with the
reason why there is none; only a model that cannot be asked at all raises.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_ai.messages import ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from nexus.agents.context import Context
from nexus.agents.conversation import journalled_model
from nexus.agents.draft_reading import read_reply
from nexus.agents.drafting import NotAPlan
from nexus.agents.plan_schema import ABOUT, SUBMIT
from nexus.domain.plan import Plan
from nexus.errors import LimitReached, NexusError, PermanentFailure, TransientFailure
from nexus.llm.journalled import JournalledModel
from nexus.llm.modes import Mode, ladder
from nexus.llm.shaped import is_refusal, is_server_error, is_too_long, request_in

MAX_REPAIRS: Final = 2
MOST_ASKED: Final = 6
ASKING_SECONDS: Final = 240.0
MOST_DRAFT: Final = 6_000
LAST_TIGHTNESS: Final = 2
MOST_TOKENS: Final = {True: 2_500, False: 1_200}
"""Of an answer by an own server: the whole schema, the flat one. Hosted models may think longer."""
MODE_STEP: Final = "mode of planning"
OUT_OF_CALLS: Final = "model_calls_exhausted"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `prompt` writes it for a tightness from 0 (all of it) to 2 (the least).

    Weak models, which did not answer in the form of a tool call, get the flat schema and the
    plain instructions.
    """

    prompt: Callable[[int, str], str]
    instructions: str
    plain_instructions: str
    schema: dict[str, Any]
    flat_schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Elicited:
    """A plan and the draft it was made of, or why there is none."""

    plan: Plan | None = None
    draft: Mapping[str, Any] | None = None
    why: str = ""


async def elicit(
    wish: Wish, context: Context, accept: Callable[[dict[str, Any]], Plan]
) -> Elicited:
    """Ask until a plan is accepted, or no more may be asked.

    Raises:
        PermanentFailure, TransientFailure: the model cannot be asked, in any mode.
        LimitReached: a limit of the project, not of planning.
    """
    talk = await _begin(wish, context)
    while talk.may_ask:
        try:
            reply = await talk.ask()
        except TimeoutError:
            return Elicited(why=f"the model gave no plan within {ASKING_SECONDS:g} s")
        except LimitReached as wrong:
            if wrong.reason != OUT_OF_CALLS:
                raise
            break
        except (TransientFailure, PermanentFailure) as wrong:
            talk.give_way(wrong)
            continue
        try:
            draft = read_reply(reply)
            plan = accept(draft)
        except NotAPlan as wrong:
            talk.learn(wrong)
            continue
        context.models.modes.remember(talk.name, talk.mode)
        return Elicited(plan, draft)
    return Elicited(why=talk.why())


async def _begin(wish: Wish, context: Context) -> "_Talk":
    name = context.model or await context.models.choose()
    model = await journalled_model(context)
    is_own = context.models.is_own(name)
    modes, mode = ladder(name, is_own=is_own), context.models.modes.first(name)
    if len(modes) > 1:
        # Recorded, because a replay in another process must put the same questions.
        known = mode.value
        mode = Mode(await context.step(MODE_STEP, lambda: known))
    talk = _Talk(wish, model, name, modes, mode)
    talk.is_again, talk.is_own = context.attempt > 1, is_own
    return talk


@dataclass(slots=True)
class _Talk:
    """How far the asking has come."""

    wish: Wish
    model: JournalledModel
    name: str
    modes: tuple[Mode, ...]
    mode: Mode
    is_again: bool = False
    is_own: bool = False
    tightness: int = 0
    asked: int = 0
    answered: int = 0
    began: float = 0.0
    problem: str = ""
    correction: str = ""

    @property
    def may_ask(self) -> bool:
        return self.asked < MOST_ASKED and self.answered <= MAX_REPAIRS

    @property
    def _rest(self) -> tuple[Mode, ...]:
        return self.modes[self.modes.index(self.mode) + 1 :]

    async def ask(self) -> ModelResponse:
        """Put the question once, in the mode and at the length that are due."""
        self.began = self.began or time.monotonic()
        self.asked += 1
        settings, parameters, instructions = self._shape()
        prompt = self.wish.prompt(self.tightness, self.correction)
        message = ModelRequest(parts=[UserPromptPart(prompt)], instructions=instructions)
        async with asyncio.timeout(self.began + ASKING_SECONDS - time.monotonic()):
            return await self.model.request([message], settings, parameters)

    def _shape(self) -> tuple[ModelSettings, ModelRequestParameters, str]:
        wish = self.wish
        is_able = self.mode is Mode.TOOL
        schema = wish.schema if is_able else wish.flat_schema
        most = MOST_TOKENS[is_able] if self.is_own else None
        settings, parameters = request_in(self.mode, SUBMIT, ABOUT, schema, most_tokens=most)
        return settings, parameters, wish.instructions if is_able else wish.plain_instructions

    def give_way(self, wrong: NexusError) -> None:
        """Ask for less, or in another mode; raise `wrong` where neither is left."""
        self.problem = wrong.message
        if is_too_long(wrong):
            self._shorten()
            return
        rest = self._rest
        is_slow = wrong.reason == "model_timeout" and self.is_own
        if not rest or not (is_slow or is_refusal(wrong)):
            raise wrong
        if not self.answered and (is_slow or is_server_error(wrong)):
            # As likely a server in trouble: one more mode is tried at each attempt, no more.
            if self.asked > 1:
                raise wrong
            self.mode = rest[-1] if self.is_again else rest[0]
            return
        self.mode = rest[0]

    def _shorten(self) -> None:
        if self.tightness < LAST_TIGHTNESS:
            self.tightness += 1
        elif self._rest:
            self.mode = self._rest[-1]
        else:
            self.asked = MOST_ASKED

    def learn(self, wrong: NotAPlan) -> None:
        """Say what was wrong; a model that wrote no JSON at all is asked in the next mode."""
        self.answered += 1
        self.problem = str(wrong)
        self.correction = correct(wrong)
        if wrong.draft is None and self._rest:
            self.mode = self._rest[0]

    def why(self) -> str:
        """Say why there is no plan, in a sentence."""
        lines = self.problem.splitlines() or ["it may not be asked any more"]
        first = next((line[2:] for line in lines if line.startswith("- ")), lines[0])
        times = "once" if self.answered == 1 else f"{self.answered} times"
        if not self.answered:
            return f"the model could not be asked: {first}"
        return f"the model answered {times} without a plan that can run: {first}"


def correct(wrong: NotAPlan) -> str:
    """Write what a repair adds to the prompt: the draft, shortened, and its problems."""
    if wrong.draft is None:
        return str(wrong)
    text = json.dumps(wrong.draft, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MOST_DRAFT:
        text = f"{text[:MOST_DRAFT]} [cut]"
    return f"Your draft:\n{text}\n{wrong}"
