"""How the models of a provider are reached here: address and key, from the settings.

Pure; the model book and the embedder ask it. Makes no request.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nexus.errors import InvalidInput
from nexus.llm.naming import PROVIDERS, ModelName

if TYPE_CHECKING:
    from nexus.settings import Settings

NO_KEY: Final = "no-key"
"""Local servers want no key, the SDK insists on one."""


@dataclass(frozen=True, slots=True)
class Access:
    """The providers' addresses and keys of one installation."""

    settings: "Settings"

    def key(self, provider: str) -> str | None:
        """Return a provider's key, None without one."""
        keys = {
            "groq": self.settings.groq_api_key,
            "openai": self.settings.openai_api_key,
            "anthropic": self.settings.anthropic_api_key,
            "google": self.settings.google_api_key,
            "mistral": self.settings.mistral_api_key,
        }
        return (keys.get(provider) or "").strip() or None

    def base_url(self, provider: str) -> str:
        """Return the address a provider is asked at; an Ollama's own, with or without its `/v1`."""
        own = {"openai": self.settings.openai_base_url, "ollama": self.settings.ollama_base_url}
        address = (own.get(provider) or "").strip() or PROVIDERS[provider].base_url
        if provider == "ollama":
            return address.rstrip("/").removesuffix("/v1") + "/v1"
        return address

    def is_own(self, link: ModelName) -> bool:
        """Tell whether a model is served at an address of the installation's own."""
        return link.provider == "ollama" or (
            link.provider == "openai" and self.base_url("openai") != PROVIDERS["openai"].base_url
        )

    def check(self, link: ModelName) -> None:
        """Refuse a model that cannot be reached as things are set.

        Raises:
            InvalidInput: its address or its key is missing or wrong; the message names the variable.
        """
        provider = PROVIDERS[link.provider]
        self._check_address(link)
        key = self.key(link.provider)
        if key and not (key.isascii() and key.isprintable()):
            raise InvalidInput(
                f"{provider.key_variable} holds characters that no key has",
                hint=f"copy the key again into {provider.key_variable}",
            )
        if provider.key_variable is None or key:
            return
        if link.provider == "openai" and self.settings.openai_base_url:
            return
        raise InvalidInput(
            f"models of {link.provider} need {provider.key_variable}, which is not set",
            hint=f"set {provider.key_variable} in the environment or in .env, or choose another model",
        )

    def _check_address(self, link: ModelName) -> None:
        address = self.base_url(link.provider)
        if not address.startswith(("http://", "https://")):
            variable = f"{link.provider.upper()}_BASE_URL"
            raise InvalidInput(
                f"{variable} is not an address models of {link.provider} can be reached at",
                hint=f"write {variable}=http://host:port/v1",
            )
