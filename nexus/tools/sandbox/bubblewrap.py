"""Real CPython behind bubblewrap: every namespace unshared, no network, a seccomp filter, limits.

The launcher starts with an empty environment. Started by root, the program inside becomes an
unprivileged user of its own per folder (limits on processes do not bind root); started by
anyone else, it stays that user inside a user namespace.
"""

import asyncio
import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from nexus.errors import ServiceMissing, ToolRefused
from nexus.tools.sandbox.arguments import Launch, arguments_for, user_for
from nexus.tools.sandbox.contract import Caps, SandboxResult
from nexus.tools.sandbox.output import Budget, collect
from nexus.tools.sandbox.process import SandboxProcess
from nexus.tools.sandbox.syscalls import filter_for
from nexus.tools.sandbox.tree import Extent, Walk, measure

_DESCRIPTION: Final = (
    "CPython {version} in a sandbox with the whole standard library, the Python packages "
    "installed beside Nexus{packages}, and no network. The working directory is /workspace, the project's "
    "folder: files written there stay. A run may take {seconds:.0f} seconds."
)
_TELLING: Final = ("numpy", "pandas", "matplotlib", "duckdb")
_WATCH_SECONDS: Final = 0.5


class BubblewrapSandbox:
    """Runs each program in a fresh set of namespaces that ends with it."""

    name = "bubblewrap"

    def __init__(self, binary: Path, caps: Caps | None = None) -> None:
        self.binary = binary
        self.caps = caps or Caps()
        self._slots = asyncio.Semaphore(max(2, os.cpu_count() or 2))
        self._filter = filter_for(platform.machine())
        self.description = _DESCRIPTION.format(
            version=platform.python_version(), seconds=self.caps.seconds, packages=_packages()
        )

    async def run(self, code: str, folder: Path) -> SandboxResult:
        """Run `code` over `folder`; see the protocol."""
        async with self._slots:
            owner = user_for(folder)
            before = await asyncio.to_thread(self._prepare, folder, owner)
            with self._files(code) as files:
                room = max(4096, self.caps.folder_bytes - before.bytes)
                launch = Launch(folder, owner, self.caps, files, room)
                running = await self._start_whole(launch)
            result = await self._finish(running, folder)
            after = await asyncio.to_thread(self._measure, folder, owner)
            return replace(result, remark=result.remark or self._over_quota(after))

    def _prepare(self, folder: Path, owner: int) -> Extent:
        """Hand the folder to the user inside; refuse when it is full."""
        folder.mkdir(parents=True, exist_ok=True)
        extent = self._measure(folder, owner)
        if problem := self._over_quota(extent):
            raise ToolRefused(f"{problem}: delete files before running code")
        return extent

    def _measure(self, folder: Path, owner: int) -> Extent:
        walk = Walk(owner or None, self.caps.folder_entries + 1, repair=True)
        return measure(folder, walk)

    def _over_quota(self, extent: Extent) -> str | None:
        if extent.bytes > self.caps.folder_bytes:
            return f"the project's folder holds more than {self.caps.folder_bytes} bytes"
        if extent.entries > self.caps.folder_entries:
            return f"the project's folder holds more than {self.caps.folder_entries} files"
        if extent.too_deep:
            return "the project's folder is nested too deeply"
        return None

    @contextlib.contextmanager
    def _files(self, code: str) -> Iterator[dict[str, int]]:
        """Memory files for the filter, the launcher and the program, closed after the start."""
        contents = {
            "filter": self._filter,
            "launcher": (Path(__file__).parent / "launch.py").read_bytes(),
            "program": code.encode("utf-8", "replace"),
        }
        files: dict[str, int] = {}
        try:
            for name, content in contents.items():
                files[name] = os.memfd_create(name, os.MFD_CLOEXEC)
                _write_all(files[name], content)
                os.lseek(files[name], 0, os.SEEK_SET)
            yield files
        finally:
            for descriptor in files.values():
                os.close(descriptor)

    async def _start_whole(self, launch: Launch) -> SandboxProcess:
        """Start even while being cancelled, then end it: half a start cannot be ended cleanly."""
        starting = asyncio.ensure_future(self._start(launch))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await (await starting).end()
            raise

    async def _start(self, launch: Launch) -> SandboxProcess:
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        started = False
        try:
            process = await asyncio.create_subprocess_exec(
                str(self.binary),
                *arguments_for(launch, status=write_end),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=(*launch.files.values(), write_end),
                start_new_session=True,
            )
            started = True
        except OSError as error:
            raise ServiceMissing(f"the bubblewrap sandbox could not be started: {error}") from error
        finally:
            os.close(write_end)
            if not started:
                os.close(read_end)
        return SandboxProcess(process, read_end)

    async def _finish(self, running: SandboxProcess, folder: Path) -> SandboxResult:
        budget = Budget(self.caps.output_bytes)
        flooded = partial(running.stop, "it was ended: it printed far too much")
        timed_out = False
        async with asyncio.TaskGroup() as group:
            out = group.create_task(collect(running.process.stdout, budget, flooded))
            err = group.create_task(collect(running.process.stderr, budget, flooded))
            watch = group.create_task(self._watch(running, folder))
            try:
                async with asyncio.timeout(self.caps.seconds):
                    await running.process.wait()
            except TimeoutError:
                timed_out = True
                running.stop(f"it was ended after {self.caps.seconds:g} seconds")
            finally:
                await running.end()
            watch.cancel()
        code = running.process.returncode
        return SandboxResult(
            stdout=out.result(),
            stderr=err.result(),
            exit_code=-1 if code is None else code,
            timed_out=timed_out,
            truncated=budget.truncated,
            remark=running.remark,
        )

    async def _watch(self, running: SandboxProcess, folder: Path) -> None:
        """End the run once its folder is over the quota."""
        walk = Walk(most_entries=self.caps.folder_entries + 1)
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            problem = self._over_quota(await asyncio.to_thread(measure, folder, walk))
            if problem:
                running.stop(f"it was ended: {problem}")
                return


def _packages() -> str:
    """Name the packages a model would like to know of."""
    found = [name for name in _TELLING if find_spec(name) is not None]
    return f" (among them {', '.join(found)})" if found else ""


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
