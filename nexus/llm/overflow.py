"""What servers say when a request is too long, and the numbers they tell with it.

Pure; called where failures are explained and windows are learned.
"""

import re
from dataclasses import dataclass
from typing import Final

TOO_LONG: Final = re.compile(
    r"context (?:length|size|window|limit)|exceed\w* (?:the )?(?:available )?context"
    r"|maximum context|too many tokens|(?:prompt|input) is too long|request too large"
    r"|input token count|reduce the length of the messages",
    re.IGNORECASE,
)
_NUMBER: Final = r"(\d[\d,]*)"
_WINDOW: Final = tuple(
    re.compile(pattern.replace("#", _NUMBER), re.IGNORECASE)
    for pattern in (
        r"\bn_ctx\b\D{1,4}#",
        r"context (?:length|size|window)(?: is| of)?(?: only)? ?\(?#",
        r"with # maximum context",
        r"> ?# ?(?:maximum)?",
        r"maximum number of (?:input )?tokens allowed \(?#",
        r"\blimit:? #, requested",
    )
)
_ASKED: Final = tuple(
    re.compile(pattern.replace("#", _NUMBER), re.IGNORECASE)
    for pattern in (
        r"\bn_prompt_tokens\b\D{1,4}#",
        r"\(# in the messages",
        r"# input tokens",
        r"request \(# tokens",
        r"requested tokens \(#",
        r"prompt is too long: #",
        r"(?:prompt contains|resulted in) # tokens",
        r"input token count \(#",
    )
)


@dataclass(frozen=True, slots=True)
class Overflow:
    """A request was too long; the model's window and the request's tokens where they were told."""

    window: int | None = None
    asked: int | None = None


def read_overflow(error: BaseException | None) -> Overflow | None:
    """Return what a refusal says of the length; None: that is not what it is about."""
    from pydantic_ai.exceptions import ModelContextWindowExceededError, ModelHTTPError

    if not isinstance(error, ModelHTTPError):
        return None
    said = str(error.body)[:4_000]
    if not isinstance(error, ModelContextWindowExceededError) and not TOO_LONG.search(said):
        return None
    return Overflow(_first(_WINDOW, said), _first(_ASKED, said))


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    found = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    return int(found[1].replace(",", "")) if found else None
