"""What kind of document this is, judged by its first bytes, its name and what the client said.

The upload asks it before anything is stored, so that what can never be read is refused at
once. It never opens the whole document.
"""

import codecs
from pathlib import PurePath
from typing import Final

from nexus.errors import InvalidInput
from nexus.memory import archives
from nexus.memory.charsets import marked_in, shown, told_by
from nexus.memory.readers.limits import MAX_CHARACTERS

PLAIN: Final = "text/plain"
MARKDOWN: Final = "text/markdown"
PDF: Final = "application/pdf"
CSV: Final = "text/csv"
JSON: Final = "application/json"
TSV: Final = "text/tab-separated-values"
JSON_LINES: Final = "application/jsonl"
HTML: Final = "text/html"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
CODE: Final = "text/x-source-code"
READABLE: Final = (
    "plain text, Markdown, HTML, PDF, Word (.docx), CSV, TSV, JSON, JSON Lines and source code"
    " (text in UTF-8, or in the encoding that its media type names)"
)
SAVE_IT: Final = (
    "save it as UTF-8, or name its encoding in its media type, such as"
    " text/plain; charset=windows-1252"
)

# A PDF's header may stand anywhere in its first 1,024 bytes. Source: ISO 32000-1, annex H.3.4.1.
PDF_HEADER_WITHIN: Final = 1_024

_CODE_SUFFIXES: Final = [
    ".py",
    ".pyi",
    ".js",
    ".mjs",
    ".cjs",
    ".jsx",
    ".ts",
    ".tsx",
    ".go",
    ".rs",
    ".java",
    ".kt",
    ".kts",
    ".scala",
    ".c",
    ".h",
    ".cc",
    ".cpp",
    ".hpp",
    ".cs",
    ".swift",
    ".rb",
    ".php",
    ".pl",
    ".lua",
    ".r",
    ".jl",
    ".sh",
    ".bash",
    ".zsh",
    ".ps1",
    ".sql",
    ".proto",
    ".graphql",
    ".ex",
    ".exs",
    ".erl",
    ".hs",
    ".ml",
    ".clj",
    ".dart",
    ".m",
    ".mm",
    ".vue",
    ".svelte",
    ".css",
    ".scss",
    ".tf",
]
_BY_SUFFIX: Final = {
    **dict.fromkeys(
        [".txt", ".text", ".log", ".rst", ".adoc", ".org", ".tex", ".srt", ".vtt"], PLAIN
    ),
    **dict.fromkeys(
        [".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".xml"], PLAIN
    ),
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".csv": CSV,
    ".tsv": TSV,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".pdf": PDF,
    ".docx": DOCX,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    **dict.fromkeys(_CODE_SUFFIXES, CODE),
}
_BY_MEDIA_TYPE: Final = {
    "text/markdown": MARKDOWN,
    "text/x-markdown": MARKDOWN,
    "text/csv": CSV,
    "application/csv": CSV,
    "text/tab-separated-values": TSV,
    "application/json": JSON,
    "application/jsonl": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
    "application/pdf": PDF,
    "text/html": HTML,
    "application/xhtml+xml": HTML,
    DOCX: DOCX,
}
_UNREADABLE: Final = (
    (archives.ZIP, "a ZIP archive or an Office document other than Word's .docx"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
)


def is_readable_name(name: str) -> bool:
    """Tell whether a file is called like something that is read."""
    return PurePath(name.lower()).suffix in _BY_SUFFIX


def recognise(title: str, media_type: str | None, head: bytes) -> str:
    """Name the media type a document is read as.

    Args:
        title: the document's name; its suffix counts for more than `media_type`.
        media_type: what the client said, parameters allowed, or None.
        head: the first bytes of the document, at least 1,024 unless it is shorter.

    Raises:
        InvalidInput: it is empty or nothing Nexus can read; the message says what it is.
    """
    if not head.strip():
        raise InvalidInput(f"the document {title!r} is empty", hint="give a file with text in it")
    if b"%PDF-" in head[:PDF_HEADER_WITHIN]:
        return PDF
    kind = _told_kind(title, media_type)
    if head.startswith(archives.ZIP) and (kind == DOCX or archives.is_word(head)):
        return DOCX
    for magic, name in _UNREADABLE:
        if head.startswith(magic):
            raise _unreadable(title, name)
    if kind in {PDF, DOCX}:
        name = "PDF" if kind == PDF else "Word document"
        raise _unreadable(title, f"named a {name}, but has no {name}'s header")
    codec = marked_in(head) or told_by(media_type)
    if kind == HTML or (kind == PLAIN and _looks_like_html(head)):
        _require_page(title, head, codec)
        return HTML
    _require_text(title, head, codec or "utf-8")
    return kind


def as_kept(title: str, kind: str, media_type: str | None, content: bytes) -> bytes:
    """Return what is kept of a document: text in the encoding that was told for it, as UTF-8.

    What nothing is told of stays as it came. A byte order mark counts for more than words.

    Args:
        kind: what `recognise` said.
        media_type: what the client said, with its parameters.

    Raises:
        InvalidInput: it is not in that encoding, or is too long.
    """
    codec = told_by(media_type)
    if kind in {PDF, DOCX} or marked_in(content) or codec in {None, "utf-8", "utf-8-sig"}:
        return content
    try:
        text = content.decode(codec or "utf-8", "replace" if kind == HTML else "strict")
    except UnicodeDecodeError as wrong:
        raise _not_in(title, codec or "utf-8", wrong) from wrong
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"the document {title!r} has {len(text):,} characters, more than the"
            f" {MAX_CHARACTERS:,} a document may have",
            hint="split it",
        )
    # A page may name another encoding inside of itself; the mark counts for more.
    return (codecs.BOM_UTF8 if kind == HTML else b"") + text.encode("utf-8", "replace")


def _require_page(title: str, head: bytes, codec: str | None) -> None:
    """Refuse bytes that are no page; a page may name its own encoding."""
    if b"\0" in head and not (codec or "").startswith(("utf-16", "utf-32")):
        raise _unreadable(title, "not text (it has NUL bytes)")


def _told_kind(title: str, media_type: str | None) -> str:
    """Say what the name tells, else what the client said."""
    said = (media_type or "").partition(";")[0].strip().lower()
    suffix = PurePath(title.lower()).suffix
    return _BY_SUFFIX.get(suffix) or _BY_MEDIA_TYPE.get(said) or PLAIN


def _looks_like_html(head: bytes) -> bool:
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip()[:64].lower()
    return begin.startswith((b"<!doctype html", b"<html"))


def _require_text(title: str, head: bytes, codec: str) -> None:
    """Refuse bytes that are not text; the head may end in the middle of a character."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(head)
    except UnicodeDecodeError as wrong:
        raise _not_in(title, codec, wrong) from wrong
    if "\0" in text:
        raise _unreadable(title, "not text (it has NUL bytes)")


def _not_in(title: str, codec: str, wrong: UnicodeDecodeError) -> InvalidInput:
    return InvalidInput(
        f"the document {title!r} cannot be read: it is not {shown(codec)} text"
        f" (at byte {wrong.start:,})",
        hint=SAVE_IT,
    )


def _unreadable(title: str, kind: str) -> InvalidInput:
    return InvalidInput(
        f"the document {title!r} cannot be read: it is {kind}",
        hint=f"Nexus reads {READABLE}",
    )
