"""The user prompt of an agent: its brief in tagged sections, content kept inside its tags.

Pure. The tags are a contract with the offline model, which reads them back.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.citing import NOWHERE, cite
from nexus.domain.work import Brief, DocumentNote, Revision
from nexus.llm.cleaning import clean_text
from nexus.llm.excerpting import CHARACTERS_PER_TOKEN, excerpt

TAGS: Final = (
    "goal",
    "task",
    "acceptance",
    "criteria",
    "submission",
    "former",
    "findings",
    "inputs",
    "input",
    "citations",
    "documents",
    "passages",
    "passage",
    "agents",
    "note",
    "budget",
    "plan",
    "comment",
    "correction",
    "message",
)
MOST_INPUT: Final = 1_000_000
"""Characters of one input; the output it is of may have sixteen million."""
MOST_INPUTS: Final = 4_000_000
"""Of all inputs together. What a model's window takes is found out when it is asked."""
FORGED: Final = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(TAGS)})\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quote:
    """A passage as an agent is shown it."""

    text: str
    title: str
    locator: str
    document_id: str
    note: str = ""  # what it is, when it is no document of a user's
    cite: str = ""  # what a text that rests on it carries


def is_large(brief: Brief) -> bool:
    """Tell whether a prompt takes long to write: texts no request holds whole are read for it."""
    return sum(map(len, brief.inputs.values())) + len(brief.submission or "") > MOST_INPUT


def work_prompt(brief: Brief, quotes: Sequence[Quote]) -> str:
    """Write the prompt of a task."""
    about = "\n".join((brief.task.title, brief.instructions, *brief.acceptance))
    key, title = attribute(brief.task.key), attribute(brief.task.title)
    criteria = "\n".join(f"- {one_line(criterion)}" for criterion in brief.acceptance)
    return _join(
        _section("goal", content(brief.goal)),
        f'<task key="{key}" title="{title}">\n{content(brief.instructions or brief.task.title)}\n</task>',
        _section("acceptance", criteria),
        _revision(brief.revision, about) if brief.revision else "",
        _section("inputs", _inputs(brief.inputs, about)),
        _section("citations", _citations(brief.citations)),
        _section("documents", _documents(brief.documents)),
        _section("passages", _passages(quotes)),
    )


def chat_prompt(brief: Brief, quotes: Sequence[Quote], agents: Mapping[str, str]) -> str:
    """Write the prompt of a message; `agents` are those that whoever plans may speak of."""
    left_out = brief.chat.left_out if brief.chat else 0
    note = f"The {left_out} oldest messages of this conversation are left out here."
    return _join(
        _section("note", note if left_out else ""),
        _section("message", content(brief.instructions)),
        _section("documents", _documents(brief.documents)),
        _section("passages", _passages(quotes)),
        _section("agents", _agents(agents)),
    )


def review_prompt(brief: Brief, criteria: Sequence[str], quotes: Sequence[Quote]) -> str:
    """Write the prompt of a review: the task, its criteria by number, and the output to judge."""
    key, title = attribute(brief.task.key), attribute(brief.task.title)
    about = "\n".join((brief.task.title, *criteria))
    numbered = "\n".join(f"- {at}: {one_line(one)}" for at, one in enumerate(criteria, 1))
    return _join(
        _section("goal", content(brief.goal)),
        f'<task key="{key}" title="{title}">\n{content(brief.instructions or brief.task.title)}\n</task>',
        _section("criteria", numbered),
        _before(brief.revision) if brief.revision else "",
        _section("inputs", _inputs(brief.inputs, about)),
        _section("citations", _citations(brief.citations)),
        _section("documents", _documents(brief.documents)),
        _section("passages", _passages(quotes)),
        _section("submission", content(bounded(brief.submission or "", about))),
    )


def plan_prompt(
    brief: Brief, quotes: Sequence[Quote], agents: Mapping[str, str], **further: str
) -> str:
    """Write the prompt of the manager; `agents` maps names to descriptions.

    `further` are sections of safe content by their tags, which come last.
    """
    return _join(
        _section("goal", content(brief.goal)),
        _section("documents", _documents(brief.documents)),
        _section("passages", _passages(quotes)),
        _section("agents", _agents(agents)),
        *(_section(tag, inside) for tag, inside in further.items()),
    )


def content(text: str) -> str:
    """Make text safe to stand inside a section: it can neither close nor open one of our tags."""
    return FORGED.sub("&lt;", clean_text(text)).strip()


def one_line(text: str) -> str:
    """Make text safe to stand on a line of its own."""
    return " ".join(content(text).split())


def attribute(text: str) -> str:
    """Make text safe to stand between the quotes of an attribute."""
    return one_line(text).replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _join(*sections: str) -> str:
    return "\n".join(section for section in sections if section)


def _section(tag: str, inside: str) -> str:
    return f"<{tag}>\n{inside}\n</{tag}>" if inside else ""


def _revision(revision: Revision, about: str) -> str:
    """Show an agent what it handed in before, and what the review asks it to mend."""
    return _join(
        _section("former", content(bounded(revision.output, about))),
        _section(
            "findings",
            "A review rejected your former output, in <former>. Answer each finding and hand in "
            f"the whole output again; keep what was right.\n{_findings(revision)}",
        ),
    )


def _before(revision: Revision) -> str:
    """Show a reviewer what the review before did not find met."""
    return _section(
        "findings",
        "The review before rejected a former output for this. See whether the submission mends "
        f"each; then judge every criterion by itself.\n{_findings(revision)}",
    )


def _findings(revision: Revision) -> str:
    return "\n".join(
        f"- Not met: {one_line(one.criterion)}\n  Evidence: {one_line(one.evidence)}\n"
        f"  To mend: {one_line(one.fix)}"
        for one in revision.findings
    )


def _inputs(inputs: Mapping[str, str], about: str) -> str:
    most = min(MOST_INPUT, MOST_INPUTS // max(1, len(inputs)))
    return "\n".join(
        f'<input task="{attribute(key)}">\n{content(bounded(output, about, most))}\n</input>'
        for key, output in inputs.items()
    )


def bounded(text: str, about: str, most: int = MOST_INPUT) -> str:
    """Show in excerpts what no request should hold whole, and say so."""
    if len(text) <= most:
        return text
    why = f"because a request holds no more than {most:,} of its {len(text):,} characters"
    return excerpt(text, about, most, len, why, CHARACTERS_PER_TOKEN).text


def _agents(agents: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {one_line(about)}" for name, about in agents.items())


def _documents(documents: Iterable[DocumentNote]) -> str:
    return "\n".join(
        f"- {one_line(note.file)} | title: {one_line(note.title).replace('|', '/')}"
        f" | {one_line(note.media_type)} | {note.bytes} bytes | id: {one_line(note.id)}"
        for note in documents
    )


def _passages(quotes: Iterable[Quote]) -> str:
    return "\n".join(
        f'<passage title="{attribute(quote.title)}" locator="{attribute(quote.locator)}"'
        f' document="{attribute(quote.document_id)}"{_noted(quote)}{_cited(quote)}>'
        f"\n{content(quote.text)}\n</passage>"
        for quote in quotes
    )


def _citations(citations: Mapping[str, str]) -> str:
    """Say what the marks in the work to be judged stand for."""
    return "\n".join(
        f"- {cite(mark)}: {one_line(told) or NOWHERE}" for mark, told in citations.items()
    )


def _cited(quote: Quote) -> str:
    return f' cite="{attribute(quote.cite)}"' if quote.cite else ""


def _noted(quote: Quote) -> str:
    return f' note="{attribute(quote.note)}"' if quote.note else ""
