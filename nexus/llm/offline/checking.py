"""What the offline qa agent does: look every quotation up again, check figures and criteria."""

import re
from collections.abc import Sequence
from typing import Final

from nexus.domain.citing import NOWHERE
from nexus.llm.offline.conversation import Conversation
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.prompt import Prompt
from nexus.llm.offline.quoting import INLINE
from nexus.llm.offline.reply import Reply, ToolCall
from nexus.llm.offline.researching import excerpts_of
from nexus.llm.offline.sections import Section, read_section
from nexus.llm.offline.words import shorten, spoken, subjects

MAX_LOOKUPS: Final = 24
MAX_FILES: Final = 8
OWN_TASK: Final = "Check the work so far"


def check(talk: Conversation, tools: frozenset[str]) -> Reply:
    """Look quotations up, in files first and then by search; then report."""
    sections = [read_section(key, output) for key, output in talk.prompt.inputs]
    quotes = list(dict.fromkeys(pair for section in sections for pair in section.quotations))
    calls = lookups(talk, tools, unconfirmed(talk, quotes))
    if calls:
        return Reply(calls=calls)
    lines = [f"## {talk.prompt.title or 'Check'}", LABEL]
    if not sections:
        lines.append("Nothing was handed over to check.")
        return Reply(text="\n\n".join(lines))
    findings = (
        _on_quotes(talk, quotes)
        + _on_citations(talk.prompt)
        + _on_figures(sections)
        + _on_criteria(talk.prompt, sections)
    )
    lines.append("\n".join(f"- {finding}" for finding in findings))
    return Reply(text="\n\n".join(lines))


def lookups(
    talk: Conversation, tools: frozenset[str], open_quotes: Sequence[tuple[str, str]]
) -> tuple[ToolCall, ...]:
    """List the calls that look quotations up which stand in no text seen so far."""
    if not open_quotes or not talk.prompt.documents:
        return ()
    if "read_file" in tools and not talk.asked("read_file") and talk.prompt.texts:
        return tuple(
            ToolCall("read_file", {"path": text.file}) for text in talk.prompt.texts[:MAX_FILES]
        )
    if "search_memory" in tools and not talk.asked("search_memory"):
        return tuple(
            ToolCall("search_memory", {"query": shorten(words, 400)})
            for words, _ in open_quotes[:MAX_LOOKUPS]
        )
    return ()


def unconfirmed(talk: Conversation, quotes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """List the quotations whose words stand in no text seen so far."""
    texts = [_level(excerpt.text) for excerpt in excerpts_of(talk)]
    return [pair for pair in quotes if not any(_level(pair[0]) in text for text in texts)]


def _level(text: str) -> str:
    """Reduce a text to what must agree: words and marks, not emphasis or line breaks."""
    return " ".join(re.sub(r"(?m)^\s*>\s?", "", INLINE.sub(r"\2", text)).split())


def _on_quotes(talk: Conversation, quotes: Sequence[tuple[str, str]]) -> list[str]:
    if not quotes:
        return ["The work holds no quotations."]
    findings = []
    if not excerpts_of(talk):
        findings.append(
            f"{len(quotes)} quotations could not be looked up: no document could be read."
        )
    else:
        unsure = unconfirmed(talk, quotes)
        confirmed = len(quotes) - len(unsure)
        findings.append(
            f"{confirmed} of {len(quotes)} different quotations were found again, word for word, in the documents."
        )
        findings += [f"Not found again: “{shorten(words, 120)}”" for words, _ in unsure]
    without = [words for words, source in quotes if not source]
    findings += [f"Without a source: “{shorten(words, 120)}”" for words in without]
    if not without:
        findings.append("Every quotation names its source.")
    return findings


def _on_citations(prompt: Prompt) -> list[str]:
    return [f"The citation {mark.strip('[]')} {NOWHERE}." for mark in prompt.lost]


def _on_figures(sections: Sequence[Section]) -> list[str]:
    findings = []
    for section in sections:
        if re.search(r"^\|(?:\s*:?-+:?\s*\|)+\s*$", section.body, re.MULTILINE):
            named = re.search(r"`[^`\n]+`|\[[^\]\n]+\]|https?://", section.body)
            counted = re.search(r"\bn\b|rows", section.body)
            says = "names its file" if named else "does not name where its figures come from"
            rests = "gives" if counted else "does not give"
            findings.append(
                f"“{section.title}” {says} and {rests} the number of values behind its figures."
            )
    return findings


def _on_criteria(prompt: Prompt, sections: Sequence[Section]) -> list[str]:
    """Compare each criterion with the work's words; more cannot be judged by rules."""
    if OWN_TASK in prompt.instructions:
        return []
    said = {root for section in sections for root in subjects(f"{section.title} {section.body}")}
    findings = []
    for criterion in prompt.acceptance:
        wanted = subjects(criterion)
        absent = spoken(criterion, [root for root in wanted if root not in said])
        verdict = (
            "the work speaks of it; whether well enough, rules cannot judge"
            if len(absent) * 2 <= len(wanted)
            else f"not confirmed; the work does not speak of {', '.join(absent[:6])}"
        )
        findings.append(f"{criterion.rstrip('.')}: {verdict}.")
    return findings
