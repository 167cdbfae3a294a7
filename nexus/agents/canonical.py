"""JSON in one canonical spelling, and the fingerprint of it.

What an agent hands to the seam must mean the same in every process; a value that is not JSON
has no such spelling and is refused, never guessed at by its repr.
"""

import hashlib
import json

from nexus.domain.seam import Json
from nexus.errors import PermanentFailure
from nexus.llm.cleaning import clean


def as_json(value: object, what: str) -> Json:
    """Return `value` as it will be when read back from the journal: tuples are lists, keys are text.

    Args:
        what: names the value in the error, such as "the result of step 'lookup'".

    Raises:
        PermanentFailure: the value is not JSON.
    """
    try:
        read_back: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as wrong:
        raise PermanentFailure(
            f"{what} cannot be journalled: {type(value).__name__} is not JSON ({wrong})",
            hint="use text, numbers, booleans, None, lists and dicts with text keys",
            code="not_json",
        ) from wrong
    return clean(read_back)


def fingerprint(value: Json) -> str:
    """Return the hex SHA-256 of a JSON value, the same in every process."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
