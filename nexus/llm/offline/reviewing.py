"""What the offline qa agent says of a submission: each criterion, judged by its words alone.

Rules cannot judge quality. A criterion counts as met where the submission speaks of what it
names, and the finding says that it was judged so; where it does not, it is not met.
"""

import re
from typing import Any, Final

from nexus.llm.offline.prompt import Prompt
from nexus.llm.offline.words import shorten, spoken, subjects

BY_RULE: Final = "judged offline by its words alone"


def review(prompt: Prompt) -> dict[str, Any]:
    """Judge a submission by its criteria; return the verdict a model would hand over."""
    findings = [_finding(at, one, prompt) for at, one in enumerate(prompt.criteria, 1)]
    return {"accepted": all(one["met"] for one in findings), "findings": findings}


def _finding(number: int, criterion: str, prompt: Prompt) -> dict[str, Any]:
    text = prompt.submission
    wanted = subjects(criterion)
    said = set(subjects(text))
    absent = [root for root in wanted if root not in said]
    if text.strip() and len(absent) * 2 < max(1, len(wanted)):
        quote = _nearest(text, set(wanted))
        return {
            "criterion": number,
            "met": True,
            "evidence": f"\u201c{shorten(quote, 300)}\u201d ({BY_RULE})",
        }
    missing = ", ".join(spoken(criterion, absent)[:6])
    lacks = f"does not speak of {missing}" if missing else "is empty"
    return {
        "criterion": number,
        "met": False,
        "evidence": f"The submission {lacks} ({BY_RULE}).",
        "fix": f"Add what this asks for: {shorten(criterion, 400)}",
    }


def _nearest(text: str, wanted: set[str]) -> str:
    """Return the sentence that shares most words with what is wanted."""
    sentences = [one.strip() for one in re.split(r"(?<=[.!?])\s+|\n+", text) if one.strip()]
    return max(sentences, key=lambda one: len(wanted & set(subjects(one))), default=text)
