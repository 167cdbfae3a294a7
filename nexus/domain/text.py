"""Make any text storable: no text a model or a page produces can make a write fail."""

import json
from typing import Final

from nexus.domain.seam import Json

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """Replace NUL characters and lone surrogates, which no database text and no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", REPLACEMENT)


def shorten(text: str, limit: int) -> str:
    """Cut text to at most `limit` characters, after a word where there is one to cut after."""
    if len(text) <= limit:
        return text
    kept = text[:limit]
    at_word = kept[: max(kept.rfind(" "), 0)].rstrip(" ,;:-–—")
    return f"{at_word if len(at_word) > limit // 2 else kept[:-1]}…"


def dumps(value: Json | object) -> str:
    """Write JSON as the database keeps it: clean, compact, NaN and infinities refused."""
    text = _compact(value)
    if "\\u0000" in text or not _is_utf8(text):
        # An escaped NUL, or the six characters of one in a text: only the values can tell.
        text = _compact(_clean_value(value))
    return text


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""Made once: `json.dumps` makes one for every call."""


def _compact(value: object) -> str:
    return _ENCODER.encode(value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _clean_value(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {
            clean(key) if isinstance(key, str) else key: _clean_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean_value(item) for item in value]
    return value
