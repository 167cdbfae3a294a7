"""The text of a PDF, page by page."""

import io

from nexus.memory.readers.limits import MAX_PAGES, Text, Unreadable


def read_pdf(content: bytes) -> list[str]:
    """Return the text of each page.

    Raises:
        Unreadable: it is damaged, encrypted or too large.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        count = len(reader.pages)
        if count > MAX_PAGES:
            raise Unreadable(
                f"has {count:,} pages, more than the {MAX_PAGES:,} a PDF may have; split it"
            )
        whole, pages = Text(), []
        for page in reader.pages:
            pages.append(page.extract_text())
            whole.add(pages[-1])
    except (DependencyError, FileNotDecryptedError, NotImplementedError) as locked:
        raise Unreadable("is encrypted: save it without a password first") from locked
    # pypdf meets damaged files with whatever its own code stumbles over.
    except (PyPdfError, ValueError, LookupError, TypeError, AttributeError) as wrong:
        raise Unreadable("is damaged and cannot be read as a PDF") from wrong
    except (ArithmeticError, OSError, AssertionError, RecursionError, StopIteration) as wrong:
        raise Unreadable("is damaged and cannot be read as a PDF") from wrong
    return pages
