"""The models of this installation: from a name to a client that can be asked.

One book a process, made at the edge and passed down; models are cached by name and share
one connection pool, closed at the end. Never makes a request of its own, but for the probe
of a local Ollama when nothing else is configured.
"""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from nexus.errors import InvalidInput, Misconfigured
from nexus.llm.access import NO_KEY, Access
from nexus.llm.boards import Boards
from nexus.llm.limiter import Limiter
from nexus.llm.modes import Modes
from nexus.llm.naming import OFFLINE, PROVIDERS, ModelName, parse_chain
from nexus.llm.windows import Window, Windows

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.models import Model

    from nexus.domain.rates import Board
    from nexus.llm.listening import Line
    from nexus.settings import Settings

PROBE_SECONDS: Final = 0.4
PROBE_EVERY_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 10.0
KEPT_CONNECTIONS: Final = 200


class ModelBook:
    """Resolves model names and owns their clients.

    `board` shares rate limits with other workers; on `line` replies are heard as they are written.
    """

    def __init__(
        self, settings: "Settings", board: "Board | None" = None, line: "Line | None" = None
    ) -> None:
        self._settings = settings
        self._access = Access(settings)
        self.line = line
        self._boards = Boards(board)
        self._windows = Windows(settings.context_tokens)
        self._limiters: dict[str, Limiter] = {}
        self._caps: dict[str, asyncio.Semaphore] = {}
        self._models: dict[str, Model] = {}
        self._client: AsyncClient | None = None
        self._found_ollama: str | None = None
        self._probe_after = 0.0
        self._probing = asyncio.Lock()
        self.modes = Modes()

    @property
    def default_name(self) -> str:
        """The model in use when nobody names one, as far as it is known without asking a network.

        Raises:
            Misconfigured: NEXUS_MODEL cannot be used.
        """
        chosen = self._settings.model
        if chosen:
            self._check_setting(chosen)
            return chosen
        for provider in PROVIDERS.values():
            if provider.default_model and self._access.key(provider.name):
                return f"{provider.name}:{provider.default_model}"
        return self._found_ollama or OFFLINE

    async def choose(self) -> str:
        """Settle the default: like `default_name`, after looking for a local Ollama if nothing is set."""
        if self.default_name != OFFLINE or self._settings.model:
            return self.default_name
        async with self._probing:
            if self._found_ollama is None and time.monotonic() >= self._probe_after:
                from nexus.llm.ollama import first_model

                found = await first_model(self._access.base_url("ollama"), PROBE_SECONDS)
                self._found_ollama = f"ollama:{found}" if found else None
                self._probe_after = time.monotonic() + PROBE_EVERY_SECONDS
        return self.default_name

    def is_own(self, name: str) -> bool:
        """Tell whether every link of a name is served at an address of the installation's own."""
        return all(self._access.is_own(link) for link in parse_chain(name))

    def check(self, name: str) -> None:
        """Refuse a name that cannot work here.

        Raises:
            InvalidInput: the provider is unknown or its key is missing; the message names the variable.
        """
        for link in parse_chain(name):
            if link.provider != OFFLINE:
                self._access.check(link)

    def resolve(self, name: str | None = None) -> "Model":
        """Return the model of a name or chain; None means the default.

        Raises:
            InvalidInput: `name` cannot work here.
            Misconfigured: the default cannot work here.
        """
        wanted = self.default_name if name is None else name
        if wanted not in self._models:
            self.check(wanted)
            self._models[wanted] = self._build(parse_chain(wanted))
        return self._models[wanted]

    async def close(self) -> None:
        """Close the connections of every model; the book can be used again afterwards."""
        self._models.clear()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _check_setting(self, name: str) -> None:
        try:
            self.check(name)
        except InvalidInput as wrong:
            raise Misconfigured(
                f"NEXUS_MODEL cannot be used: {wrong.message}", hint=wrong.hint
            ) from wrong

    def _build(self, links: tuple[ModelName, ...]) -> "Model":
        if len(links) == 1:
            return self._build_one(links[0])
        from pydantic_ai.models.fallback import FallbackModel

        from nexus.errors import OutputInvalid, PermanentFailure, TransientFailure

        first, *rest = (self._build_one(link, link is not links[-1]) for link in links)
        failures = (TransientFailure, PermanentFailure, OutputInvalid)
        return FallbackModel(first, *rest, fallback_on=failures)

    def _limiter(self, link: ModelName) -> Limiter:
        """Return the one limiter of a model, whatever chains it is part of."""
        most = self._settings.provider_concurrency.get(link.provider)
        if most and link.provider not in self._caps:
            self._caps[link.provider] = asyncio.Semaphore(most)
        name = str(link)
        if name not in self._limiters:
            self._limiters[name] = Limiter(name, self._boards, self._caps.get(link.provider))
        return self._limiters[name]

    def _window(self, link: ModelName) -> Window:
        look = None
        if link.provider == "ollama":
            from nexus.llm.ollama import loaded_window

            look = partial(
                loaded_window, self._access.base_url("ollama"), link.model, PROBE_SECONDS
            )
        return self._windows.of(link, is_own=self.is_own(str(link)), look=look)

    def _build_one(self, link: ModelName, has_next: bool = False) -> "Model":
        if link.provider == OFFLINE:
            from nexus.llm.offline import OfflineModel

            return OfflineModel()
        from nexus.llm import clients
        from nexus.llm.served import ServedModel

        if self._client is None:
            self._client = clients.open_pool(
                self._settings.model_timeout_seconds,
                connect_seconds=CONNECT_SECONDS,
                connections=max(1_000, self._settings.concurrency),
                kept=KEPT_CONNECTIONS,
            )
        key = self._access.key(link.provider) or NO_KEY
        model: Model
        if link.provider == "anthropic":
            model = clients.anthropic_model(link, key, self._client)
        else:
            first = self._settings.model_first_token_seconds
            model = clients.chat_model(
                link, self._access.base_url(link.provider), key, self._client, first
            )
        return ServedModel(
            model,
            name=str(link),
            timeout_seconds=self._settings.model_timeout_seconds,
            limiter=self._limiter(link),
            window=self._window(link),
            has_next=has_next,
        )
