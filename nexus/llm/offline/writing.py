"""What the offline content agent does: the report from the work handed over, in its order."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from nexus.domain.citing import marks_in
from nexus.llm.offline.conversation import Conversation
from nexus.llm.offline.goal import read_subject
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.prompt import Prompt
from nexus.llm.offline.reply import Reply
from nexus.llm.offline.researching import research
from nexus.llm.offline.sections import Headings, Section, read_section, without_repeats
from nexus.llm.offline.words import in_words, listed

MAX_SUMMARY_FIGURES: Final = 5
TABLE_FILE: Final = re.compile(r"`([^`\n]+\.(?:csv|tsv))` has ([\d,]+) rows")
PLACEHOLDER: Final = "No work was handed over, and no documents were at hand."


def write(talk: Conversation, tools: frozenset[str]) -> Reply:
    """Assemble the report; without inputs, quote what the documents say on the task."""
    prompt = talk.prompt
    if not prompt.inputs:
        return research(talk, tools)
    return Reply(text=assemble(prompt))


def assemble(prompt: Prompt) -> str:
    """Write the report of all inputs."""
    sections = without_repeats([read_section(key, output) for key, output in prompt.inputs])
    title = prompt.title or read_subject(prompt.goal)
    named = title.casefold()
    sections = [
        replace(s, title="Findings") if s.title.casefold() == named else s for s in sections
    ]
    headings = Headings({"summary", "what is missing", "sources"})
    parts = [f"# {headings.take(title)}", LABEL, "## Summary", _overview(sections, prompt)]
    figures = _chosen_figures(sections)
    if figures:
        parts.append("\n".join(f"- {line}" for line in figures))
    for section in sections:
        body = headings.in_body(section) if section.body else "This part of the work gave nothing."
        parts += [f"## {headings.take(section.title)}", body]
    parts += ["## What is missing", _missing(sections, prompt)]
    sources = _sources(sections, prompt)
    if sources:
        parts += ["## Sources", "\n".join(f"- {line}" for line in sources)]
    return "\n\n".join(parts) + "\n"


def _chosen_figures(sections: Sequence[Section]) -> list[str]:
    """Take the first key figures of every section in turn, up to the limit."""
    having = [section.key_figures for section in sections if section.key_figures]
    share = max(1, MAX_SUMMARY_FIGURES // max(1, len(having)))
    return [line for lines in having for line in lines[:share]][:MAX_SUMMARY_FIGURES]


def _overview(sections: Sequence[Section], prompt: Prompt) -> str:
    """Say in a sentence what the report rests on."""
    quotes = list(dict.fromkeys(pair for section in sections for pair in section.quotations))
    titles = {title for _, source in quotes if (title := _title_of(source, prompt))}
    tables = dict.fromkeys(
        pair for section in sections for pair in TABLE_FILE.findall(section.body)
    )
    rests = []
    if quotes:
        origin = f" from {_counted(len(titles), 'document')}" if titles else ""
        rests.append(f"{_counted(len(quotes), 'quotation')}{origin}")
    if tables:
        rests.append(
            "figures computed from " + listed([f"the {n} rows of `{f}`" for f, n in tables])
        )
    if not rests:
        return f"This report puts together {_counted(len(sections), 'piece')} of work on the goal."
    return f"This report rests on {' and on '.join(rests)}."


def _missing(sections: Sequence[Section], prompt: Prompt) -> str:
    lines = [
        f"On “{section.title}”: {_lowered(gap)}" for section in sections for gap in section.gaps
    ]
    lines += [
        f"{section.title}: nothing was handed over." for section in sections if not section.body
    ]
    if not prompt.documents:
        lines.append("No documents were at hand.")
    lines.append(
        "Judgement and wording of its own: offline, nothing is paraphrased or concluded beyond the "
        "quotations and figures above."
    )
    return "\n".join(f"- {line}" for line in dict.fromkeys(lines))


def _sources(sections: Sequence[Section], prompt: Prompt) -> list[str]:
    """List every document quoted, with the places, then every table computed from.

    Documents of a section with marks are left to the deliverable, which lists them by number.
    """
    places: dict[str, list[str]] = {}
    for section in sections:
        for _, source in section.quotations:
            title = _title_of(source, prompt)
            if title and not marks_in(section.body):
                places.setdefault(title, []).append(source[len(title) :].lstrip(", "))
    files = {document.title: _named(document.file) for document in prompt.documents}
    lines = []
    for title, found in places.items():
        named = [place for place in dict.fromkeys(map(_place, found)) if place]
        line = _source_line(title, files.get(title, title))
        lines.append(line + (f": {'; '.join(named)}" if named else ""))
    for section in sections:
        for file, rows in TABLE_FILE.findall(section.body):
            title = next((d.title for d in prompt.documents if _named(d.file) == file), file)
            lines.append(f"{_source_line(title, file)}: {rows} rows")
    return list(dict.fromkeys(lines))


def _place(locator: str) -> str:
    """Name a place briefly: the innermost heading, or the page or lines as they are."""
    return locator.removeprefix("section ").rpartition(" > ")[2]


def _named(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _source_line(title: str, file: str) -> str:
    """Name a document, and its file where the title does not already."""
    return f"*{title}*" if title == file else f"*{title}* (`{file}`)"


def _title_of(source: str, prompt: Prompt) -> str:
    """Find the document's title at the start of a source; titles may hold commas themselves."""
    known = [
        d.title for d in prompt.documents if source == d.title or source.startswith(d.title + ",")
    ]
    return max(known, key=len, default=source.split(",", 1)[0].strip())


def _lowered(sentence: str) -> str:
    """Begin with a small letter unless the first word is a name or an abbreviation."""
    known = ("No ", "The ", "Nothing ", "Missing")
    return sentence[:1].lower() + sentence[1:] if sentence.startswith(known) else sentence


def _counted(count: int, noun: str) -> str:
    return f"{in_words(count)} {noun}{'' if count == 1 else 's'}"
