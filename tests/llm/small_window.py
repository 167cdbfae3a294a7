"""A scripted server with a small window, which counts tokens and refuses as llama.cpp does."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from tests.scripted_model import Raw, Reply, Script

TOKEN: Final = re.compile(r"[\u3040-\u9fff]|\d|[^\W\d_]{1,5}|[^\w\s]|_|\n+|[ \t]{2,}")
Refusal = Callable[[int, int], Raw]


def tokens(request: dict[str, Any]) -> int:
    """Count the tokens of a request: words of up to five letters, each figure, each sign."""
    spoken = [request.get("messages"), request.get("tools")]
    return sum(1 for text in _texts(spoken) for _ in TOKEN.finditer(text))


def as_llama_cpp(asked: int, window: int) -> Raw:
    """Write llama.cpp's refusal."""
    said = {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": asked,
        "n_ctx": window,
    }
    return Raw(400, json.dumps({"error": said}))


def small(script: Script, window: int = 4_096, refuse: Refusal = as_llama_cpp) -> Script:
    """Make the script of a server that takes no more than `window` tokens."""

    def answer(request: dict[str, Any]) -> Reply:
        asked = tokens(request)
        if asked > window:
            return refuse(asked, window)
        reply = script(request)
        assert not hasattr(reply, "__await__")
        return reply

    return answer


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]
