"""The fallback where namespaces are denied: the monty interpreter, a safe subset of Python.

Each run has a worker process of its own, ended with it; the project's folder is mounted
into the interpreter, which has no other way to the machine.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from nexus.errors import ToolRefused
from nexus.tools.sandbox.contract import Caps, SandboxResult
from nexus.tools.sandbox.output import Budget
from nexus.tools.sandbox.tree import Walk, measure

if TYPE_CHECKING:
    from pydantic_monty import MontyError

_DESCRIPTION: Final = (
    "A small Python interpreter (a subset): functions, plain classes and dataclasses, "
    "comprehensions, try/except, with, match, f-strings, async, and of the standard library parts "
    "of math, re, json, csv, datetime, time, random, collections, itertools, functools, decimal, "
    "hashlib, base64, copy, bisect, typing, sys, os, pathlib and asyncio. No inheritance, no "
    "generators (yield), no properties, no other imports, no numpy or pandas, no subprocesses, no "
    "network. open() and pathlib.Path work on the files of the project's folder, /workspace, "
    "which is the working directory. A run may take {seconds:.0f} seconds."
)
_WORKSPACE: Final = "/workspace"
_MEMORY_BYTES: Final = 512 * 1024**2
_GRACE_SECONDS: Final = 5.0
_SUSPENSIONS: Final = 100_000


class MontySandbox:
    """Interprets each program in a worker process that touches the machine only through us."""

    name = "monty"

    def __init__(self, caps: Caps | None = None) -> None:
        self.caps = caps or Caps()
        self.description = _DESCRIPTION.format(seconds=self.caps.seconds)
        self._slots = asyncio.Semaphore(max(2, os.cpu_count() or 2))

    async def run(self, code: str, folder: Path) -> SandboxResult:
        """Run `code` over `folder`; see the protocol."""
        async with self._slots:
            room = await asyncio.to_thread(self._room, folder)
            printed = _Printed(Budget(self.caps.output_bytes))
            try:
                async with asyncio.timeout(self.caps.seconds + _GRACE_SECONDS):
                    return await self._interpret(code, folder, room, printed)
            except TimeoutError:
                return printed.result(137, timed_out=True, remark=self._too_long())

    def _room(self, folder: Path) -> int:
        folder.mkdir(parents=True, exist_ok=True)
        extent = measure(folder, Walk(most_entries=self.caps.folder_entries + 1))
        if extent.bytes > self.caps.folder_bytes or extent.entries > self.caps.folder_entries:
            raise ToolRefused("the project's folder is full: delete files before running code")
        return self.caps.folder_bytes - extent.bytes

    async def _interpret(
        self, code: str, folder: Path, room: int, printed: "_Printed"
    ) -> SandboxResult:
        from pydantic_monty import AsyncMonty, MontyError, MountDir, ResourceLimits

        limits = ResourceLimits(
            max_feed_duration_secs=self.caps.seconds,
            max_memory=min(self.caps.memory_bytes, _MEMORY_BYTES),
            max_suspensions=_SUSPENSIONS,
        )
        mount = MountDir(
            host_path=folder,
            virtual_path=_WORKSPACE,
            mode="read-write",
            write_bytes_limit=min(room, self.caps.file_bytes),
        )
        pool = AsyncMonty(min_processes=1, max_processes=1, request_timeout=self.caps.seconds + 1)
        try:
            with mount:
                async with pool, pool.checkout(limits=limits) as session:
                    await session.feed_run(code, print_callback=printed.take, mount=mount)
        except MontyError as error:
            return self._failed(error, printed)
        return printed.result(0)

    def _failed(self, error: "MontyError", printed: "_Printed") -> SandboxResult:
        from pydantic_monty import MontyCrashedError, MontyRuntimeError, MontySyntaxError

        if isinstance(error, MontyCrashedError):
            remark = self._too_long() if error.timed_out else "the interpreter crashed"
            return printed.result(137, timed_out=error.timed_out, remark=remark)
        shown = (
            error.display()
            if isinstance(error, MontyRuntimeError | MontySyntaxError)
            else str(error)
        )
        printed.take("stderr", shown + "\n")
        if isinstance(error.exception(), TimeoutError) and "time limit" in shown:
            return printed.result(137, timed_out=True, remark=self._too_long())
        return printed.result(1)

    def _too_long(self) -> str:
        return f"it was ended after {self.caps.seconds:g} seconds"


class _Printed:
    """What a program has printed so far, within the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._streams: dict[str, list[bytes]] = {"stdout": [], "stderr": []}

    def take(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        """Keep what fits of `text`."""
        self._streams[stream].append(self._budget.take(text.encode("utf-8", "replace")))

    def result(
        self, exit_code: int, *, timed_out: bool = False, remark: str | None = None
    ) -> SandboxResult:
        """Return how the run ended, with what was printed until then."""
        stdout, stderr = (
            b"".join(self._streams[name]).decode("utf-8", "replace")
            for name in ("stdout", "stderr")
        )
        return SandboxResult(stdout, stderr, exit_code, timed_out, self._budget.truncated, remark)
