"""Text every part can carry: no NUL, no lone surrogates.

Applied to what models and tools return before it is journalled, so that what goes on is what
replay will give, and the next request to a model can be encoded.
"""

from nexus.domain.seam import Json


def clean_text(text: str) -> str:
    """Drop NUL and replace lone surrogates by a question mark."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "")


def clean(value: Json) -> Json:
    """Clean every text in a JSON value, keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean(item) for key, item in value.items()}
    return value
