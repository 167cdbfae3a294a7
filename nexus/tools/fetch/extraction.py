"""Turns HTML and PDF into text, in a process of its own with limits on time and memory.

Run as `python -m`: the document on standard input, its media type as the only argument, JSON
with `title`, `text` and `links` on standard output. Parsers meet hostile input here and nowhere else.
"""

import json
import sys
from html.parser import HTMLParser
from typing import Final

_MEMORY_BYTES: Final = 1536 * 1024**2
_CPU_SECONDS: Final = 15
_MOST_TEXT: Final = 400_000
_MOST_PAGES: Final = 200
_MOST_LINKS: Final = 500


def limit() -> None:
    """Bound this process before it touches the document."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def from_html(data: bytes) -> tuple[str, str]:
    """Return title and readable text of an HTML page."""
    from trafilatura import bare_extraction, html2txt

    found = bare_extraction(data, with_metadata=True, include_tables=True, include_links=False)
    title = (getattr(found, "title", None) or "") if found else ""
    text = (getattr(found, "text", None) or "") if found else ""
    return title, text or html2txt(data)


class Anchors(HTMLParser):
    """Collects what the anchors of a page refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        reference = dict(attrs).get("href") if tag == "a" else None
        if reference and len(self.references) < _MOST_LINKS:
            self.references.append(reference[:1000])


def links_of(data: bytes) -> list[str]:
    """Return what the anchors of an HTML page refer to, as it is written there."""
    anchors = Anchors()
    anchors.feed(data.decode("utf-8", "replace"))
    return anchors.references


def from_pdf(data: bytes) -> tuple[str, str]:
    """Return title and text of a PDF file."""
    from io import BytesIO

    from pypdf import PdfReader

    reader = PdfReader(BytesIO(data))
    texts: list[str] = []
    length = 0
    for page in reader.pages[:_MOST_PAGES]:
        texts.append(page.extract_text())
        length += len(texts[-1])
        if length > _MOST_TEXT:
            break
    title = str(reader.metadata.title or "") if reader.metadata else ""
    return title, "\n\n".join(texts)


def main() -> None:
    """Read, extract, write."""
    limit()
    data = sys.stdin.buffer.read()
    title, text = from_pdf(data) if sys.argv[1] == "application/pdf" else from_html(data)
    links = [] if sys.argv[1] == "application/pdf" else links_of(data)
    answer = json.dumps({"title": title[:1000], "text": text[:_MOST_TEXT], "links": links})
    sys.stdout.write(answer)


if __name__ == "__main__":
    main()
