"""What a JSON body may be: its size in values, its depth, its numbers and characters.

Depth and values are counted before anything is built of them: 16 MB of brackets would
otherwise become gigabytes of objects.
"""

import json
import math
import re
from typing import Any, Final, NoReturn

from nexus.errors import CallerError, InvalidInput, TooLarge

MALFORMED: Final = "malformed_body"
MAX_DEPTH: Final = 32
INT_LIMIT: Final = 2**63
INT_DIGITS: Final = 20
# Possessive, so that a body of quotes cannot make it slow.
STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
BRACKETS: Final = re.compile(rb"[\[\]{}]")
ESCAPES_TO_CHECK: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def check_json(body: bytes, max_values: int) -> None:
    """Accept a body, or say what is wrong with it.

    Raises:
        CallerError: 400 for what is no JSON, 413 or 422 for what breaks a limit.
    """
    _check_shape(body, max_values)
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except UnicodeDecodeError as wrong:
        raise CallerError("the body is not UTF-8", code=MALFORMED) from wrong
    except (ValueError, RecursionError) as wrong:
        raise CallerError("the body is not JSON", code=MALFORMED) from wrong
    if ESCAPES_TO_CHECK.search(body):
        _check_characters(parsed)


def _check_shape(body: bytes, max_values: int) -> None:
    skeleton = STRINGS.sub(b'""', body)
    values = 1 + skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{")
    if values > max_values:
        raise TooLarge(f"the body holds more than {max_values:,} values", code="too_many_values")
    depth = 0
    for bracket in BRACKETS.finditer(skeleton):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidInput(f"the body is nested deeper than {MAX_DEPTH} levels", code=MALFORMED)


def _no_constant(name: str) -> NoReturn:
    raise InvalidInput("NaN and Infinity are not numbers of JSON", code=MALFORMED)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInput("a number is too large", code=MALFORMED)
    return number


def _whole(text: str) -> int:
    if len(text) > INT_DIGITS or not -INT_LIMIT <= (number := int(text)) < INT_LIMIT:
        raise InvalidInput("a whole number does not fit into 64 bits", code=MALFORMED)
    return number


def _check_characters(parsed: Any) -> None:
    """Walk every string; only bodies with a suspicious escape come here."""
    waiting = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidInput("a text holds a NUL character", code=MALFORMED)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("a text holds half of a surrogate pair", code=MALFORMED)
