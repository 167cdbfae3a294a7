"""The line that says an output was made offline; every output carries it exactly once."""

from typing import Final

LABEL: Final = "*Made offline by rules and extraction, without a language model.*"


def unlabelled(text: str) -> str:
    """Take the label out of an upstream output, so that a report made of several has one."""
    return "\n".join(line for line in text.splitlines() if line.strip() != LABEL)
