"""What the offline research and memory agents do: search, read, quote with sources.

Asks the tools that are offered at most twice: once to search, once to read files when nothing
was found.
"""

import re
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from nexus.llm.offline.conversation import Conversation, ToolAnswer
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.prompt import Excerpt, Prompt
from nexus.llm.offline.quoting import Quote, choose_quotes, clauses_of, unanswered
from nexus.llm.offline.reply import Reply, ToolCall
from nexus.llm.offline.words import listed, shorten, spoken, subjects

MAX_QUERIES: Final = 3
MAX_FILES: Final = 6
QUERY_LIMIT: Final = 400
MAX_NAMED_GAPS: Final = 8
QUESTION: Final = re.compile(r"^Question: (.*)$", re.MULTILINE)


def question_of(prompt: Prompt) -> str:
    """Find what is asked: the line our own plans mark, else the whole task."""
    marked = QUESTION.search(prompt.instructions)
    return marked.group(1).strip() if marked else prompt.question


def research(talk: Conversation, tools: frozenset[str]) -> Reply:
    """Search, then quote."""
    prompt = talk.prompt
    asking = look_up(talk, tools, question_of(prompt))
    if asking:
        return Reply(calls=asking)
    found = excerpts_of(talk)
    question = question_of(prompt)
    quotes = choose_quotes(question, found)
    lines = [f"## {prompt.title or 'Research'}", LABEL]
    lines += _answer(quotes) if quotes else [_nothing(talk, found)]
    gaps = _gaps(question, found)
    if gaps:
        lines += ["### Not found", f"- No passage found speaks of {listed(gaps)}."]
    return Reply(text="\n\n".join(lines))


def _gaps(question: str, found: Sequence[Excerpt]) -> list[str]:
    """Name the words of the question that no passage has: names always, others when they are many."""
    absent = unanswered(question, found) if found else []
    words = spoken(question, absent)
    names = [
        word
        for word in words
        if re.search(rf"[^.?!\s]\s+{re.escape(word)}", question) and word[0].isupper()
    ]
    many = len(absent) * 3 >= len(subjects(question))
    return (words if many else names)[:MAX_NAMED_GAPS]


def look_up(talk: Conversation, tools: frozenset[str], question: str) -> tuple[ToolCall, ...]:
    """Say which tools to ask next: search first; files when the search gave no text."""
    if not talk.prompt.documents:
        return ()
    if "search_memory" in tools and not talk.asked("search_memory"):
        asked = list(dict.fromkeys([question, *clauses_of(question)]))[: MAX_QUERIES + 1]
        return tuple(
            ToolCall("search_memory", {"query": shorten(query, QUERY_LIMIT)}) for query in asked
        )
    if "read_file" in tools and not talk.asked("read_file") and not excerpts_of(talk):
        return tuple(
            ToolCall("read_file", {"path": document.file})
            for document in talk.prompt.texts[:MAX_FILES]
        )
    return ()


def excerpts_of(talk: Conversation) -> list[Excerpt]:
    """Gather every passage seen: from the prompt, from searches, from files; each text once."""
    found = list(talk.prompt.excerpts)
    for answer in talk.answers:
        if answer.tool == "search_memory":
            found += _from_search(answer)
        elif answer.tool == "read_file":
            found += _from_file(answer, talk.prompt)
    tables = {table.title for table in talk.prompt.tables}
    best: dict[str, Excerpt] = {}
    for excerpt in found:
        known = best.get(excerpt.text.strip())
        if (
            excerpt.text.strip()
            and excerpt.title not in tables
            and (known is None or excerpt.rank < known.rank)
        ):
            best[excerpt.text.strip()] = excerpt
    return list(best.values())


def _from_search(answer: ToolAnswer) -> list[Excerpt]:
    items = answer.value.get("items") if isinstance(answer.value, dict) else answer.value
    if answer.failed or not isinstance(items, list):
        return []
    return [
        Excerpt(
            _text(item, "text"),
            _text(item, "title"),
            _text(item, "locator"),
            rank,
            _text(item, "cite"),
        )
        for rank, item in enumerate(items)
        if isinstance(item, dict)
    ]


def _from_file(answer: ToolAnswer, prompt: Prompt) -> list[Excerpt]:
    value = answer.value
    if isinstance(value, dict):
        value = value.get("content") or value.get("text") or ""
    path = answer.arguments.get("path")
    titles = {document.file: document.title for document in prompt.documents}
    if answer.failed or not isinstance(value, str) or not isinstance(path, str):
        return []
    parts = re.split(r"(?m)^(?=#{1,6} )", value)
    return [Excerpt(part, titles.get(path, path), _heading(part)) for part in parts if part.strip()]


def _heading(part: str) -> str:
    first = part.lstrip().split("\n", 1)[0]
    return first.lstrip("#").strip() if first.startswith("#") else ""


def _text(item: dict[str, JsonValue], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _answer(quotes: Sequence[Quote]) -> list[str]:
    return ["From the documents, word for word:", *(quote.as_markdown() for quote in quotes)]


def _nothing(talk: Conversation, found: Sequence[Excerpt]) -> str:
    failures = [answer for answer in talk.asked("search_memory") if answer.failed]
    if not talk.prompt.documents and not found:
        return (
            "No documents were at hand, and nothing can be known offline without them. "
            "Missing: documents that speak of this question."
        )
    if failures and not found:
        return f"The documents could not be searched: {shorten(str(failures[0].value), 200)}"
    return "Nothing in the documents at hand answers this. Missing: a document that does."
