"""What models are called: `provider:name`, `offline`, or a comma-separated chain of fallbacks.

Pure: knows the providers, their variables and defaults; makes no client and reads no environment.
Called by the model book.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from nexus.errors import InvalidInput

OFFLINE: Final = "offline"
MAX_CHAIN: Final = 8


@dataclass(frozen=True, slots=True)
class Provider:
    """A place models are served: `key_variable` None means that it asks for no key."""

    name: str
    base_url: str
    key_variable: str | None
    default_model: str | None


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        provider.name: provider
        for provider in (
            Provider(
                "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "openai/gpt-oss-120b"
            ),
            Provider("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-6.1-terra"),
            Provider(
                "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "claude-sonnet-5-5"
            ),
            Provider(
                "google",
                "https://generativelanguage.googleapis.com/v1beta/openai/",
                "GOOGLE_API_KEY",
                "gemini-3.8-flash",
            ),
            Provider(
                "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral-medium-latest"
            ),
            Provider("ollama", "http://localhost:11434/v1", None, None),
        )
    }
)
"""In the order in which a key makes a provider the default."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """One link of a chain."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}" if self.model else self.provider


def parse_chain(text: str) -> tuple[ModelName, ...]:
    """Split a model setting into its links.

    Raises:
        InvalidInput: a link is not of the form `provider:name`, or its provider is unknown.
    """
    links = [link.strip() for link in text.split(",")]
    if len(links) > MAX_CHAIN:
        raise InvalidInput(f"a chain of {len(links)} models is too long: at most {MAX_CHAIN}")
    return tuple(_parse(link) for link in links)


def _parse(link: str) -> ModelName:
    if link == OFFLINE:
        return ModelName(OFFLINE, "")
    provider, colon, model = link.partition(":")
    if provider not in PROVIDERS:
        raise InvalidInput(
            "unknown model provider",
            hint=f"write provider:name with one of {', '.join(PROVIDERS)}, or {OFFLINE}",
        )
    if not colon or not model.strip():
        raise InvalidInput(
            f"no model of {provider} is named",
            hint=f"write {provider}:name, such as {provider}:{PROVIDERS[provider].default_model or 'llama3'}",
        )
    return ModelName(provider, model.strip())
