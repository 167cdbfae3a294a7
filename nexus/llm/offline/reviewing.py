"""What the offline qa agent says of a submission: each criterion, judged by its words alone.

Rules cannot judge quality. A criterion counts as met where the submission speaks of what it
names, and the finding says that it was judged so; where it does not, it is not met. Nor is
one about sources or quotations while the submission quotes what no document at hand says.
"""

import re
from typing import Any, Final

from nexus.domain.verdict import criteria_of
from nexus.llm.offline.checking import lookups, unconfirmed
from nexus.llm.offline.conversation import Conversation
from nexus.llm.offline.label import unlabelled
from nexus.llm.offline.reply import Reply
from nexus.llm.offline.researching import excerpts_of
from nexus.llm.offline.sections import quotations
from nexus.llm.offline.words import shorten, spoken, subjects

BY_RULE: Final = "judged offline by its words alone"
ON_SOURCES: Final = re.compile(r"\b(?:quot\w*|cit\w*|sourc\w*|evidence|proof)\b", re.IGNORECASE)
MOST_NAMED: Final = 6


def look_up(talk: Conversation, tools: frozenset[str]) -> Reply:
    """Ask for the texts that a submission's quotations may stand in, as far as none was seen."""
    return Reply(calls=lookups(talk, tools, _invented(talk)))


def review(talk: Conversation) -> dict[str, Any]:
    """Judge a submission by its criteria; return the verdict a model would hand over."""
    invented = _invented(talk) if excerpts_of(talk) else []
    prompt = talk.prompt
    whole = criteria_of((), prompt.title)
    findings = []
    for number, criterion in enumerate(prompt.criteria, 1):
        if invented and ON_SOURCES.search(criterion):
            findings.append(_unmet(number, *_on_quotes(invented)))
            continue
        asked = prompt.question if criterion in whole else criterion
        findings.append(_finding(number, asked, unlabelled(prompt.submission)))
    return {"accepted": all(one["met"] for one in findings), "findings": findings}


def _invented(talk: Conversation) -> list[tuple[str, str]]:
    """List the submission's quotations that stand in no text seen so far."""
    return unconfirmed(talk, list(dict.fromkeys(quotations(talk.prompt.submission))))


def _on_quotes(invented: list[tuple[str, str]]) -> tuple[str, str]:
    named = "; ".join(f"\u201c{shorten(words, 120)}\u201d" for words, _ in invented[:MOST_NAMED])
    return (
        f"Quoted, and not found word for word in the documents: {named}",
        "Quote what the documents say, word for word, or leave it out.",
    )


def _finding(number: int, criterion: str, text: str) -> dict[str, Any]:
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
    missing = ", ".join(spoken(criterion, absent)[:MOST_NAMED])
    lacks = f"does not speak of {missing}" if missing and text.strip() else "is empty"
    fix = f"Add what this asks for: {shorten(criterion, 400)}"
    return _unmet(number, f"The submission {lacks}", fix)


def _unmet(number: int, evidence: str, fix: str) -> dict[str, Any]:
    said = f"{evidence} ({BY_RULE})."
    return {"criterion": number, "met": False, "evidence": said, "fix": fix}


def _nearest(text: str, wanted: set[str]) -> str:
    """Return the sentence that shares most words with what is wanted."""
    sentences = [one.strip() for one in re.split(r"(?<=[.!?])\s+|\n+", text) if one.strip()]
    return max(sentences, key=lambda one: len(wanted & set(subjects(one))), default=text)
