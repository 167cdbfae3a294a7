"""One conversation of an agent with its model: the run, its limits, and how it can end.

Called by the model-driven agents and the manager. Everything a model can do wrong becomes an
error of our tree here.
"""

from typing import Final, TypeVar

from pydantic_ai import Agent, UsageLimits
from pydantic_ai.exceptions import (
    ContentFilterError,
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)

from nexus.agents.context import Context
from nexus.domain.chat import Exchange
from nexus.domain.deltas import Speaker
from nexus.errors import InvalidInput, LimitReached, OutputInvalid, PermanentFailure
from nexus.llm.cleaning import clean_text
from nexus.llm.journalled import JournalledModel
from nexus.llm.listening import Voice

MAX_REQUESTS: Final = 50
"""Turns of one conversation; a model that loops is stopped."""

T = TypeVar("T")


async def converse(
    agent: Agent[Context, T],
    prompt: str,
    context: Context,
    *,
    instructions: str,
    most_requests: int = MAX_REQUESTS,
    history: tuple[Exchange, ...] = (),
) -> T:
    """Run `agent` on `prompt`, after what was said before, and return its output.

    Raises:
        OutputInvalid: the model gave nothing that can be used.
        LimitReached: it went on for too long.
        PermanentFailure: the model cannot be used at all.
        TransientFailure, Fenced: from the model or the seam, as they are.
    """
    try:
        result = await agent.run(
            prompt,
            model=await journalled_model(context),
            deps=context,
            instructions=instructions,
            message_history=_messages(history),
            usage_limits=UsageLimits(request_limit=most_requests),
        )
    except UsageLimitExceeded as wrong:
        raise LimitReached(
            f"the agent asked its model {most_requests} times without finishing",
            hint="make the task smaller or its instructions clearer, then retry",
        ) from wrong
    except (ContentFilterError, OutputTokenLimitExceeded, UnexpectedModelBehavior) as wrong:
        raise OutputInvalid(_unusable(wrong), hint="retry, or use another model") from wrong
    except UserError as wrong:
        raise PermanentFailure(f"the model cannot be used for this: {wrong}") from wrong
    return result.output


async def journalled_model(context: Context) -> JournalledModel:
    """Return the model of a context, with its requests passing the seam."""
    name = context.model or await context.models.choose()
    try:
        model = context.models.resolve(name)
    except InvalidInput as wrong:
        raise PermanentFailure(wrong.message, hint=wrong.hint, code="model_unusable") from wrong
    hears_calls = context.models.is_own(name)
    return JournalledModel(
        model, context.seam, name=name, hears_calls=hears_calls, voice=_voice_of(context)
    )


def _voice_of(context: Context) -> Voice | None:
    if context.models.line is None:
        return None
    speaker = Speaker(context.project_id, context.task_id, context.subtask_id, context.attempt)
    return Voice(context.models.line, speaker)


def _messages(history: tuple[Exchange, ...]) -> list[ModelMessage] | None:
    """Write earlier exchanges as the turns they were; their time is left open, for the fingerprint."""
    turns: list[ModelMessage] = []
    for one in history:
        turns.append(ModelRequest(parts=[UserPromptPart(clean_text(one.message))]))
        turns.append(ModelResponse(parts=[TextPart(clean_text(one.answer))]))
    return turns or None


def _unusable(wrong: UnexpectedModelBehavior) -> str:
    if isinstance(wrong, ContentFilterError):
        return "the model declined to answer: its content filter stopped the reply"
    if isinstance(wrong, OutputTokenLimitExceeded):
        return "the model ran into its output limit before it answered"
    return "the model's reply cannot be used: it was empty or not of the shape asked for"
