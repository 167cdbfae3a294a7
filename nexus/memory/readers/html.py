"""A page of HTML as Markdown: headings, lists and tables stay, scripts and navigation go.

Nothing is judged to be unimportant: this is a document somebody chose, not a page come across.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from nexus.memory.charsets import marked_in
from nexus.memory.readers.limits import Text, Unreadable

LEFT_OUT: Final = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "nav",
        "iframe",
        "object",
        "embed",
        "svg",
        "math",
        "canvas",
        "button",
        "select",
        "input",
        "textarea",
        "dialog",
    ]
)
BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_CHARSET: Final = re.compile(rb"<meta[^<>]+charset\s*=\s*(?:[\"']\s*)?([\w-]+)", re.IGNORECASE)
_CHARSET_WITHIN: Final = 4_096


def read_html(content: bytes) -> str:
    """Return the page's text as Markdown.

    Raises:
        Unreadable: it is no HTML, is nested too deeply, or makes too much text.
        MemoryError: it needs more memory than this process may have.
    """
    from lxml import etree

    parser = etree.HTMLParser(
        encoding=_encoding(content),
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        huge_tree=True,  # this process has limits of its own
    )
    try:
        tree = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as wrong:
        _refuse_cut_short(parser)
        raise Unreadable("cannot be read as HTML") from wrong
    _refuse_cut_short(parser)
    if tree is None:
        raise Unreadable("has no text in it")
    text = Text()
    for piece in _pieces(etree.iterwalk(tree, events=("start", "end"))):
        text.add(piece)
    return _tidy(str(text))


def _refuse_cut_short(parser: Any) -> None:
    """Raise where the parser gave up: it then returns what it has, and the rest is missing."""
    kinds = {one.type_name for one in parser.error_log}
    if "ERR_NO_MEMORY" in kinds:
        raise MemoryError
    if "ERR_RESOURCE_LIMIT" in kinds:
        raise Unreadable("is nested too deeply; flatten it, or save it as text")


def _encoding(content: bytes) -> str:
    """Name the encoding a page tells, else UTF-8 where it is that, else Windows-1252."""
    marked = marked_in(content)
    if marked:
        return marked.removesuffix("-sig")
    told = _CHARSET.search(content[:_CHARSET_WITHIN])
    if told:
        return told[1].decode("ascii", "replace")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _pieces(walk: Any) -> Iterator[str]:
    """Go through elements without recursion: nesting may be as deep as the parser allows."""
    preformatted = 0
    for event, element in walk:
        name = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if name in LEFT_OUT:
                walk.skip_subtree()
                continue
            preformatted += name == "pre"
            yield _opening(name)
            yield _flow(element.text, preformatted)
        else:
            if name not in LEFT_OUT:
                yield _closing(name)
            preformatted -= name == "pre"
            yield _flow(element.tail, preformatted)


def _opening(name: str) -> str:
    if name in HEADINGS:
        return f"\n\n{HEADINGS[name]}"
    if name == "li":
        return "\n- "
    if name == "pre":
        return "\n\n```\n"
    if name in {"td", "th"}:
        return " | "
    if name == "br":
        return "\n"
    return "\n" if name in BLOCKS else ""


def _closing(name: str) -> str:
    if name == "pre":
        return "\n```\n"
    if name in HEADINGS or name in {"p", "table", "ul", "ol", "dl"}:
        return "\n\n"
    if name in {"li", "tr"}:
        return ""
    return "\n" if name in BLOCKS else ""


def _flow(text: str | None, preformatted: int) -> str:
    if not text:
        return ""
    return text if preformatted else re.sub(r"\s+", " ", text)


def _tidy(text: str) -> str:
    """Strip what markup left around lines, but not inside of code."""
    lines: list[str] = []
    is_code = False
    for line in text.split("\n"):
        is_code ^= line == "```"
        lines.append(line.rstrip() if is_code else line.strip().removeprefix("| "))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
