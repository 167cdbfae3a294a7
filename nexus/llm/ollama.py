"""Ask an Ollama which models it has, and how large a window it gives one.

Called by the model book when no model and no key is configured, and for requests so long
that the window matters.
"""

import asyncio
from typing import Any

import httpx2


async def first_model(base_url: str, timeout_seconds: float) -> str | None:
    """Return the first model Ollama serves at `base_url`, or None when none answers in time."""
    models = await _listed(f"{base_url.rstrip('/')}/models", "data", timeout_seconds)
    name = models[0].get("id") if models else None
    return name if isinstance(name, str) and name else None


async def loaded_window(base_url: str, model: str, timeout_seconds: float) -> int | None:
    """Return the window a model has been loaded with; None while it is not, or nobody answers."""
    root = base_url.rstrip("/").removesuffix("/v1")
    for loaded in await _listed(f"{root}/api/ps", "models", timeout_seconds):
        tokens = loaded.get("context_length")
        if loaded.get("name") in (model, f"{model}:latest") and isinstance(tokens, int):
            return tokens if tokens > 0 else None
    return None


async def _listed(url: str, field: str, timeout_seconds: float) -> list[dict[str, Any]]:
    """GET a list of objects; an empty one where that cannot be had in time."""
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            httpx2.AsyncClient(trust_env=False) as client,
        ):
            body = (await client.get(url)).json()
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return []
    found = body.get(field) if isinstance(body, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
