"""How many tokens a text is for a model: an estimate from its bytes that errs upwards.

Pure; called where requests are fitted and budgets reserved. No tokenizer is loaded: the
providers' own are downloads, or secret. `windows.py` mends the estimate by what they count.
"""

from typing import Final

SMALL: Final = b"abcdefghijklmnopqrstuvwxyz "
DIGITS: Final = b"0123456789"
ASCII: Final = bytes(range(128))
SMALL_PER_TOKEN: Final = 3.3
MARKS_PER_TOKEN: Final = 1.4
DIGITS_PER_TOKEN: Final = 1.1
HIGH_PER_TOKEN: Final = 2.2
"""Bytes a token: English prose has four or more; figures, code, keys in base64 and scripts
beyond ASCII far fewer. A Chinese character has three bytes, a Cyrillic one two."""


def tokens_in(text: str) -> int:
    """Estimate the tokens of a text."""
    data = text.encode("utf-8", "replace")
    small = len(data) - len(data.translate(None, SMALL))
    digits = len(data) - len(data.translate(None, DIGITS))
    high = 0 if text.isascii() else len(data.translate(None, ASCII))
    marks = len(data) - small - digits - high
    return int(
        small / SMALL_PER_TOKEN
        + digits / DIGITS_PER_TOKEN
        + marks / MARKS_PER_TOKEN
        + high / HIGH_PER_TOKEN
        + 0.999
    )
