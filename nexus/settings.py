"""The one frozen Settings object: environment and `.env`, read once, passed down.

Impossible combinations fail at start with the name of the variable.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from nexus.errors import Misconfigured

PROVIDER_NAMES: Final = ("groq", "openai", "anthropic", "google", "mistral", "ollama")
LOCAL_REDIS: Final = "redis://127.0.0.1:6379/0"


class Settings(BaseSettings):
    """Every setting; the variable's name is the field's in capitals behind `NEXUS_`, unless it has an alias."""

    model_config = SettingsConfigDict(
        env_prefix="NEXUS_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    data_dir: Path = Path(".nexus")
    database_url: str | None = None
    redis_url: str | None = None
    chroma_url: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    model: str | None = None
    embedding_model: str | None = None
    rerank_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = None
    rerank_model: str | None = None
    rerank_api_key: str | None = None
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 100
    lease_seconds: Annotated[float, Field(ge=0.2, le=3_600)] = 15.0
    drain_seconds: Annotated[float, Field(ge=0, le=3_600)] = 10.0
    model_timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    model_first_token_seconds: Annotated[float, Field(gt=0, le=3_600)] | None = None
    provider_concurrency: Annotated[dict[str, int], NoDecode] = Field(default_factory=dict)
    context_tokens: Annotated[dict[str, int], NoDecode] = Field(default_factory=dict)
    secret_key: str | None = None
    plugins: Annotated[tuple[str, ...], NoDecode] = ()
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    project_memory: Annotated[str, Field(pattern="^(on|off)$")] = "on"
    sandbox: Annotated[str, Field(pattern="^(auto|bubblewrap|monty)$")] = "auto"
    url: str | None = None
    api_key: str | None = None

    groq_api_key: str | None = Field(None, validation_alias="GROQ_API_KEY")
    openai_api_key: str | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    anthropic_api_key: str | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    google_api_key: str | None = Field(None, validation_alias="GOOGLE_API_KEY")
    mistral_api_key: str | None = Field(None, validation_alias="MISTRAL_API_KEY")
    ollama_base_url: str | None = Field(None, validation_alias="OLLAMA_BASE_URL")
    tavily_api_key: str | None = Field(None, validation_alias="TAVILY_API_KEY")
    brave_api_key: str | None = Field(None, validation_alias="BRAVE_API_KEY")
    searxng_url: str | None = Field(
        None, validation_alias="SEARXNG_URL", pattern=r"^https?://[^\s/]+"
    )

    @field_validator("plugins", mode="before")
    @classmethod
    def _split_plugins(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("provider_concurrency", mode="before")
    @classmethod
    def _split_caps(cls, value: object) -> object:
        """Read `ollama=2,groq=8`."""
        return _by_provider(value, 1, 10_000) if isinstance(value, str) else value

    @field_validator("context_tokens", mode="before")
    @classmethod
    def _split_windows(cls, value: object) -> object:
        """Read `ollama=32768,groq=131072`, or one number for all."""
        if not isinstance(value, str):
            return value
        if value.strip().isdecimal():
            value = ",".join(f"{provider}={value.strip()}" for provider in PROVIDER_NAMES)
        return _by_provider(value, 512, 100_000_000)

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @cached_property
    def data(self) -> Path:
        """The data directory as an absolute path."""
        return self.data_dir.expanduser().absolute()


def _by_provider(text: str, least: int, most: int) -> dict[str, int]:
    """Read numbers by provider.

    Raises:
        ValueError: it is no such list, or a number is out of bounds.
    """
    numbers: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        provider, _, number = (side.strip() for side in part.partition("="))
        is_number = number.isdecimal() and least <= int(number) <= most
        if provider not in PROVIDER_NAMES or not is_number:
            raise ValueError(
                f"write provider=number with one of {', '.join(PROVIDER_NAMES)} "
                f"and a number from {least:,} to {most:,}"
            )
        numbers[provider] = int(number)
    return numbers


def read_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` (field names) win over the environment, None means no override.

    Raises:
        Misconfigured: a variable has a value that cannot work; the message names it.
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        variable = name if name.isupper() else f"NEXUS_{name.upper()}"
        raise Misconfigured(
            f"{variable} cannot be {first.get('input')!r}: {first['msg']}",
            hint=f"correct {variable} in the environment or in .env",
        ) from wrong
