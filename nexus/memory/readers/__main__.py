"""The child process that reads one document: bytes on standard input, JSON on standard output.

`extract` runs it with limits, so that a hostile file costs one killed process and no worker.
The answer is `{"blocks": [{"text", "page"?}, …]}`, Markdown where there are no pages, or
`{"problem": sentence}`.
"""

import contextlib
import json
import logging
import sys
from types import TracebackType
from typing import Final

from nexus.memory.readers.limits import Unreadable

MEMORY_BYTES: Final = 1_500_000_000
PROCESSOR_SECONDS: Final = 100
TOO_MUCH: Final = "needs more memory than a document may take"


def main(kind: str) -> None:
    """Answer for the document on standard input."""
    _bound()
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(2_000)
    sys.excepthook = _answer_at_last
    try:
        answer: dict[str, object] = {"blocks": _read(kind, sys.stdin.buffer.read())}
    except Unreadable as wrong:
        answer = {"problem": str(wrong)}
    except MemoryError:
        answer = {"problem": TOO_MUCH}
    sys.stdout.write(json.dumps(answer))


def _answer_at_last(
    kind: type[BaseException], wrong: BaseException, trace: TracebackType | None
) -> None:
    """Answer for what no reader has foreseen; a limit that was met stays the reason."""
    cause: BaseException | None = wrong
    while cause is not None and not isinstance(cause, MemoryError):
        cause = cause.__cause__ or cause.__context__
    problem = TOO_MUCH if cause else "is damaged and cannot be read"
    sys.stdout.write(json.dumps({"problem": problem}))


def _read(kind: str, content: bytes) -> list[dict[str, object]]:
    if kind == "pdf":
        from nexus.memory.readers.pdf import read_pdf

        return [{"text": text, "page": at} for at, text in enumerate(read_pdf(content), start=1)]
    if kind == "docx":
        from nexus.memory.readers.docx import read_docx

        return [{"text": read_docx(content)}]
    from nexus.memory.readers.html import read_html

    return [{"text": read_html(content)}]


def _bound() -> None:
    """Limit this process's memory and processor time, where the system can."""
    try:
        import resource
    except ImportError:
        return
    limits = (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS),
        (resource.RLIMIT_CORE, 0),
    )
    for which, most in limits:
        # A lower limit may be in force already, and macOS has no limit on memory.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))


if __name__ == "__main__":
    main(sys.argv[1])
