"""The child process that reads one PDF: bytes on standard input, JSON on standard output.

Run as a file by `extract`, so that a hostile PDF costs one killed process and no worker. It
imports nothing of Nexus. The answer is `{"pages": [text, …]}` or `{"problem": sentence}`.
"""

import contextlib
import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pypdf import PdfReader

MEMORY_BYTES: Final = 1_500_000_000
PROCESSOR_SECONDS: Final = 100


def main(max_pages: int, max_characters: int) -> None:
    """Answer for the PDF on standard input."""
    _bound()
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(2_000)
    try:
        answer = _read(sys.stdin.buffer.read(), max_pages, max_characters)
    except MemoryError:
        answer = {"problem": "needs more memory than a document may take"}
    sys.stdout.write(json.dumps(answer))


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


def _read(content: bytes, max_pages: int, max_characters: int) -> dict[str, object]:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    locked: dict[str, object] = {"problem": "is encrypted: save it without a password first"}
    broken: dict[str, object] = {"problem": "is damaged and cannot be read as a PDF"}
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return locked
        count = len(reader.pages)
        if count > max_pages:
            return {"problem": f"has {count:,} pages, more than the {max_pages:,} a PDF may have"}
        return _texts(reader, max_characters)
    except (DependencyError, FileNotDecryptedError, NotImplementedError):
        return locked
    # pypdf meets damaged files with whatever its own code stumbles over.
    except (PyPdfError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        return broken
    except (OSError, AssertionError, RecursionError, StopIteration):
        return broken


def _texts(reader: "PdfReader", max_characters: int) -> dict[str, object]:
    pages: list[str] = []
    total = 0
    for page in reader.pages:
        text = page.extract_text()
        total += len(text)
        if total > max_characters:
            return {
                "problem": f"has more than the {max_characters:,} characters a document may have"
            }
        pages.append(text)
    return {"pages": pages}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
