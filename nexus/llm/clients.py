"""How each provider's models are reached: SDK clients without retries of their own, over one pool.

Called by the model book only; the one file that knows the SDKs.
"""

from typing import Final

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from nexus.llm.direct import DirectOpenAI, Streaming
from nexus.llm.failures import host_of
from nexus.llm.headers import hear
from nexus.llm.lenient import LenientChatModel
from nexus.llm.naming import PROVIDERS, ModelName

PLAIN: Final = OpenAIModelProfile(
    supports_inline_system_prompts=False,
    openai_chat_supports_multiple_system_messages=False,
)
"""What every chat template takes: one system message, at the very start."""

COMPATIBLE: Final = OpenAIModelProfile(
    **PLAIN,
    openai_supports_strict_tool_definition=False,
    openai_chat_supports_max_completion_tokens=False,
)
"""`strict` and `max_completion_tokens` are OpenAI's own; compatible servers reject or ignore them."""


def open_pool(
    timeout_seconds: float, *, connect_seconds: float, connections: int, kept: int
) -> httpx2.AsyncClient:
    """Open the connection pool all models share; proxies come from the environment."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_seconds, connect=min(connect_seconds, timeout_seconds)),
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=kept),
        event_hooks={"response": [hear]},
    )


def chat_model(
    link: ModelName,
    base_url: str,
    key: str,
    pool: httpx2.AsyncClient,
    first_token_seconds: float | None = None,
) -> Model:
    """Make a Chat Completions model of OpenAI or a server compatible with it."""
    client = DirectOpenAI(
        base_url=base_url,
        api_key=key,
        http_client=pool,
        max_retries=0,
        timeout=pool.timeout,
    )
    client.streaming = Streaming(f"the model {link} at {host_of(base_url)}", first_token_seconds)
    if link.provider == "openai" and base_url == PROVIDERS["openai"].base_url:
        return OpenAIChatModel(
            link.model, provider=OpenAIProvider(openai_client=client), profile=PLAIN
        )
    provider = OpenAICompatibleProvider(link.provider, openai_client=client)
    return LenientChatModel(link.model, provider=provider, profile=COMPATIBLE)


def anthropic_model(link: ModelName, key: str, pool: httpx2.AsyncClient) -> Model:
    """Make a model of Anthropic's own API; its SDK is loaded only then."""
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(api_key=key, http_client=pool, max_retries=0, timeout=pool.timeout)
    return AnthropicModel(link.model, provider=AnthropicProvider(anthropic_client=client))
