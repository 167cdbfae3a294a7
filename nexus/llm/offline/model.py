"""`OfflineModel`: the model named `offline`, served by rules in this process.

Used like any model, through the same seam; deterministic, counts no tokens, costs nothing, and
never reaches for the network.
"""

import json
from typing import Any

from pydantic import JsonValue
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from nexus.llm.offline.amending import amend_plan
from nexus.llm.offline.analysing import analyse
from nexus.llm.offline.checking import check
from nexus.llm.offline.conversation import Conversation, read_conversation
from nexus.llm.offline.plain import answer_plainly, refuse_code
from nexus.llm.offline.planning import make_plan, smallest_plan
from nexus.llm.offline.reply import Reply
from nexus.llm.offline.researching import research
from nexus.llm.offline.reviewing import look_up, review
from nexus.llm.offline.speaking import speak_of_plans
from nexus.llm.offline.writing import write


class OfflineModel(Model):
    """Answers by rules and extraction; see the module for what it promises."""

    @property
    def model_name(self) -> str:
        """The name by which settings and projects choose it."""
        return "offline"

    @property
    def system(self) -> str:
        """The provider's name in records of usage."""
        return "offline"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answer the conversation with text or tool calls."""
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        talk = read_conversation(messages)
        return ModelResponse(
            parts=_parts(talk, parameters),
            usage=RequestUsage(),
            model_name=self.model_name,
            provider_name=self.system,
            finish_reason="stop",
        )


def _parts(talk: Conversation, parameters: ModelRequestParameters) -> list[ModelResponsePart]:
    if talk.prompt.agent == "manager" and not talk.prompt.is_chat:
        return [_plan(talk, parameters)]
    tools = {tool.name: tool.description or "" for tool in parameters.function_tools}
    if talk.prompt.criteria:
        reply = look_up(talk, frozenset(tools))
        if not reply.calls:
            return [_hand_over(talk, review(talk), parameters)]
    else:
        reply = _reply(talk, tools)
    if reply.calls:
        return [
            ToolCallPart(
                call.tool, call.arguments, tool_call_id=f"offline-{talk.turns + 1}-{at + 1}"
            )
            for at, call in enumerate(reply.calls)
        ]
    return [TextPart(reply.text)]


def _plan(talk: Conversation, parameters: ModelRequestParameters) -> ModelResponsePart:
    return _hand_over(talk, _document(talk), parameters)


def _hand_over(
    talk: Conversation, document: dict[str, Any], parameters: ModelRequestParameters
) -> ModelResponsePart:
    offered = [*parameters.output_tools, *parameters.function_tools]
    if not offered:
        return TextPart(json.dumps(document, ensure_ascii=False))
    return ToolCallPart(offered[0].name, document, tool_call_id=f"offline-{talk.turns + 1}-1")


def _document(talk: Conversation) -> dict[str, JsonValue]:
    if talk.prompt.ledger:
        return amend_plan(talk.prompt)
    is_refused = talk.refusals or talk.prompt.correction
    plan = smallest_plan(talk.prompt) if is_refused else make_plan(talk.prompt)
    return plan.model_dump(mode="json")


def _reply(talk: Conversation, tools: dict[str, str]) -> Reply:
    """Choose the rule for the agent spoken to."""
    names = frozenset(tools)
    agent = talk.prompt.agent
    if agent == "manager":
        return speak_of_plans(talk)
    if agent == "qa" and talk.prompt.is_chat:
        return research(talk, names)
    if agent == "data":
        return analyse(talk, tools)
    if agent == "code":
        return refuse_code(talk)
    rules = {"research": research, "memory": research, "content": write, "qa": check}
    return rules.get(agent, answer_plainly)(talk, names)
