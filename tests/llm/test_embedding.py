"""Vectors from a provider's model: what it answers, and what is said when it does not."""

from typing import Any

import numpy as np
import pytest

from nexus.errors import Misconfigured, NexusError
from nexus.llm.embedding import ServedEmbedder
from nexus.settings import read_settings
from tests.scripted_model import Raw, Reply, ScriptedModel, error
from tests.scripted_vectors import embeddings


async def test_texts_become_vectors_of_length_one_in_their_order() -> None:
    def say(request: dict[str, Any]) -> Reply:
        assert request["model"] == "tiny"
        return embeddings([[float(len(text)), 3.0] for text in request["input"]])

    async with ScriptedModel(say) as server:
        settings = read_settings(openai_base_url=server.base_url)
        embedder = ServedEmbedder(settings, "openai:tiny")
        vectors = await embedder.embed(["four", "nothing"])
        await embedder.close()
    assert embedder.name == "openai:tiny"
    assert vectors.dtype == np.float32
    assert vectors[0].tolist() == pytest.approx([0.8, 0.6])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (embeddings([[1.0, 2.0]]), "model_garbled"),
        (embeddings([[1.0, 2.0], [1.0]]), "model_garbled"),
        (embeddings([[0.0, 0.0], [1.0, 0.0]]), "model_garbled"),
        (embeddings([]), "model_garbled"),
        (Raw(body="<html>no</html>", content_type="text/html"), "model_garbled"),
        (error(401), "model_key_refused"),
        (error(404), "model_not_found"),
        (error(503), "model_unavailable"),
    ],
)
async def test_what_is_no_vector_for_each_text_is_said(reply: Reply, code: str) -> None:
    async with ScriptedModel(lambda _: reply) as server:
        settings = read_settings(openai_base_url=server.base_url)
        embedder = ServedEmbedder(settings, "openai:tiny")
        with pytest.raises(NexusError) as refusal:
            await embedder.embed(["one", "two"])
        await embedder.close()
    assert refusal.value.reason == code


async def test_a_server_that_is_away_is_said() -> None:
    embedder = ServedEmbedder(read_settings(ollama_base_url="http://127.0.0.1:1"), "ollama:nomic")
    with pytest.raises(NexusError) as refusal:
        await embedder.embed(["one"])
    await embedder.close()
    assert refusal.value.reason == "model_unreachable"
    assert "127.0.0.1:1" in refusal.value.message


@pytest.mark.parametrize(
    "name", ["openai", "anthropic:claude", "offline", "a:b", "ollama:x,ollama:y"]
)
def test_what_makes_no_vectors_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(Misconfigured, match="NEXUS_EMBEDDING_MODEL"):
        ServedEmbedder(read_settings(openai_api_key="key"), name)
