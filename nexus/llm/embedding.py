"""Vectors from a provider: any model behind an OpenAI-compatible `/embeddings`, by its name.

Wiring makes one where NEXUS_EMBEDDING_MODEL names a model; memory asks it like its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from nexus.errors import (
    InvalidInput,
    Misconfigured,
    NexusError,
    ServiceMissing,
    TransientFailure,
)
from nexus.llm.access import NO_KEY, Access
from nexus.llm.naming import OFFLINE, ModelName, parse_chain

if TYPE_CHECKING:
    import numpy as np
    from openai import AsyncOpenAI
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

    from nexus.settings import Settings

    Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

UNSERVED: Final = ("anthropic", "groq", OFFLINE)
"""Providers without models that make vectors."""
MOST_DIMENSIONS: Final = 4_096
AWAY_CODES: Final = ("model_unreachable", "model_timeout")
AWAY_STATUS: Final = (502, 503, 504)
CONNECT_SECONDS: Final = 10.0


class ServedEmbedder:
    """One embedding model of a provider; its connections are opened at the first use."""

    def __init__(self, settings: "Settings", name: str) -> None:
        """Check that the model can be reached as things are set.

        Raises:
            Misconfigured: it cannot; the message names the variable.
        """
        self.name = name
        self._settings = settings
        self._access = Access(settings)
        self._link = _read(self._access, name)
        self._model: OpenAIEmbeddingModel | None = None
        self._client: AsyncOpenAI | None = None

    async def embed(self, texts: Sequence[str]) -> "Vectors":
        """Return (n, dimensions) float32, each of length 1, in the order of `texts`.

        Raises:
            ServiceMissing: the server is out of reach.
            TransientFailure: it is busy, failed, or answered something else.
            PermanentFailure: it refused the key, the model or the texts.
        """
        from pydantic_ai.exceptions import AgentRunError, UserError

        from nexus.llm.failures import GARBAGE, explain

        base_url = self._access.base_url(self._link.provider)
        try:
            found = await self._opened(base_url).embed([*texts], input_type="document")
        except (AgentRunError, UserError, OSError, *GARBAGE) as wrong:
            raise _missing(explain(wrong, self.name, base_url), wrong) from wrong
        return _vectors(found.embeddings, len(texts), self.name)

    def _opened(self, base_url: str) -> "OpenAIEmbeddingModel":
        if self._model is None:
            from openai import AsyncOpenAI
            from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
            from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

            from nexus.llm.clients import open_pool

            self._client = client = AsyncOpenAI(
                base_url=base_url,
                api_key=self._access.key(self._link.provider) or NO_KEY,
                http_client=open_pool(
                    self._settings.model_timeout_seconds,
                    connect_seconds=CONNECT_SECONDS,
                    connections=20,
                    kept=4,
                ),
                max_retries=0,
            )
            provider = OpenAICompatibleProvider(self._link.provider, openai_client=client)
            self._model = OpenAIEmbeddingModel(self._link.model, provider=provider)
        return self._model

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        self._model = None
        if client is not None:
            await client.close()


def _missing(error: NexusError, wrong: Exception) -> NexusError:
    """Call a server missing that nobody reaches, or that whoever stands before it does not reach."""
    is_away = error.reason in AWAY_CODES or getattr(wrong, "status_code", None) in AWAY_STATUS
    return ServiceMissing(error.message, hint=error.hint, code=error.reason) if is_away else error


def _read(access: Access, name: str) -> ModelName:
    try:
        link, *others = parse_chain(name)
        if others or link.provider in UNSERVED:
            raise InvalidInput(
                f"{name[:120]!r} is no model that makes vectors",
                hint="name one, such as openai:text-embedding-3-small or ollama:nomic-embed-text",
            )
        access.check(link)
    except InvalidInput as wrong:
        raise Misconfigured(
            f"NEXUS_EMBEDDING_MODEL cannot be used: {wrong.message}", hint=wrong.hint
        ) from wrong
    return link


def _vectors(rows: Sequence[Sequence[float]], wanted: int, name: str) -> "Vectors":
    import numpy as np

    sizes = {len(row) for row in rows}
    if len(rows) != wanted or len(sizes) != 1 or not 0 < next(iter(sizes)) <= MOST_DIMENSIONS:
        raise TransientFailure(
            f"the model {name} did not answer with a vector for each of {wanted} texts",
            hint="check that NEXUS_EMBEDDING_MODEL names a model that makes vectors",
            code="model_garbled",
        )
    vectors = np.array(rows, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(vectors).all() or not lengths.all():
        raise TransientFailure(
            f"the model {name} answered with vectors that have no direction", code="model_garbled"
        )
    vectors /= lengths
    return vectors
