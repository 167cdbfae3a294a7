"""Look for an Ollama on this machine and ask which models it has.

Called once by the model book, and only when no model and no key is configured.
"""

import asyncio

import httpx2


async def first_model(base_url: str, timeout_seconds: float) -> str | None:
    """Return the first model Ollama serves at `base_url`, or None when none answers in time."""
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            httpx2.AsyncClient(trust_env=False) as client,
        ):
            answer = await client.get(f"{base_url.rstrip('/')}/models")
            body = answer.json()
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return None
    models = body.get("data") if isinstance(body, dict) else None
    first = models[0] if isinstance(models, list) and models else None
    name = first.get("id") if isinstance(first, dict) else None
    return name if isinstance(name, str) and name else None
