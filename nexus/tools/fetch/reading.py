"""Turns a downloaded body into a page, extracting in a child process that ends with its time."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Final

import nexus
from nexus.errors import ToolRefused
from nexus.memory.charsets import told_by
from nexus.tools.fetch.page import Page, page_of

EXTRACTION_SECONDS: Final = 15.0
_EXTRACTED: Final = ("text/html", "application/xhtml+xml", "application/pdf")
_PLAIN: Final = (
    "application/json",
    "application/xml",
    "application/rss+xml",
    "application/atom+xml",
)


async def read_page(
    url: str, media_type: str, body: bytes, *, seconds: float = EXTRACTION_SECONDS
) -> Page:
    """Return what a person would read in `body`.

    Raises:
        ToolRefused: its type is not read, or its text could not be extracted in time.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if body.startswith(b"%PDF-"):
        kind = "application/pdf"
    if kind in _EXTRACTED or not kind:
        return page_of(url, *(await _extract(kind or "text/html", body, seconds)))
    if kind.startswith("text/") or kind in _PLAIN or kind.endswith("+json"):
        text = body.decode(told_by(media_type) or "utf-8", "replace")
        return page_of(url, "", text)
    raise ToolRefused(f"{url} is of the type {kind[:60]!r}; only pages, PDF and text are read")


async def _extract(kind: str, body: bytes, seconds: float) -> tuple[str, str, list[str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "nexus.tools.fetch.extraction", kind),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": _code_path(), "LANG": "C.UTF-8", "PATH": os.defpath},
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await process.communicate(body)
    except TimeoutError:
        raise ToolRefused("the page's text could not be extracted in time") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise ToolRefused("the page's text could not be extracted: it is broken or too large")
    found = json.loads(answer)
    return found["title"], found["text"], found["links"]


def _code_path() -> str:
    return str(Path(nexus.__file__).parent.parent)
