"""Keeps a list of programs running: starts them in order, restarts what crashes or hangs, stops in reverse.

Knows nothing of Valkey or the API; `nexus.cli.stack.embedded` says what to keep.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from nexus.cli.show.wording import shown
from nexus.cli.stack.child import Child, Program
from nexus.cli.stack.logfile import last_line
from nexus.errors import ServiceMissing

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A child that ran this long has recovered: its next crash starts at the first pause again."""
ASK_EVERY_SECONDS: Final = 0.05
LOOK_EVERY_SECONDS: Final = 0.5

Say = Callable[[str], None]


class Supervisor:
    """Use as `async with`; leaving the block stops everything that was started."""

    def __init__(self, say: Say, *, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> None:
        self._say = say
        self._first_pause = first_pause_seconds
        self._kept: list[tuple[Program, asyncio.Task[None]]] = []
        self._running: dict[str, Child] = {}

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(self, *_reason: object) -> None:
        await self.stop()

    async def start(self, programs: Sequence[Program], *, ready_within: float | None) -> None:
        """Start programs together; with a deadline, return once all of them answer.

        Raises:
            ServiceMissing: one of them ended or did not answer within `ready_within` seconds.
        """
        fresh = []
        for program in programs:
            child = await Child.start(program)
            self._running[program.name] = child
            fresh.append(child)
        if ready_within is not None:
            try:
                await self._all_ready(fresh, ready_within)
            except ServiceMissing:
                for child in fresh:
                    await child.stop()
                raise
        for child in fresh:
            keeping = asyncio.create_task(self._keep(child), name=f"keep {child.program.name}")
            self._kept.append((child.program, keeping))

    def pid_of(self, name: str) -> int:
        """Return the process id of a child by its program's name."""
        return self._running[name].pid

    def hurry(self) -> None:
        """Stop waiting for orderly ends: kill what is left."""
        for child in self._running.values():
            child.kill()

    async def stop(self) -> None:
        """End all children, last started first; neighbours that share a name's stem end together."""
        for _, keeping in self._kept:
            keeping.cancel()
        await asyncio.gather(*(keeping for _, keeping in self._kept), return_exceptions=True)
        self._kept.clear()
        for children in self._in_reverse():
            await asyncio.gather(*(child.stop() for child in children))
        self._running.clear()

    def _in_reverse(self) -> list[list[Child]]:
        groups: dict[str, list[Child]] = {}
        for name, child in self._running.items():
            groups.setdefault(name.split("-", maxsplit=1)[0], []).append(child)
        return list(reversed(groups.values()))

    async def _all_ready(self, children: Sequence[Child], seconds: float) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(self._until_ready(child, seconds))
        except ExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _until_ready(self, child: Child, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not await child.program.is_ready():
                    if not child.is_running:
                        raise self._failure(child, f"ended with code {await child.wait()}")
                    await asyncio.sleep(ASK_EVERY_SECONDS)
        except TimeoutError:
            raise self._failure(child, f"did not answer within {seconds:g} s") from None

    def _failure(self, child: Child, what: str) -> ServiceMissing:
        log = child.program.log
        words = last_line(log)
        return ServiceMissing(
            f"{child.program.name} {what} while starting{': ' + words if words else ''}",
            hint=f"read its log: {shown(log)}",
        )

    async def _keep(self, child: Child) -> None:
        """Restart a child for as long as we are not stopping."""
        program, pause = child.program, self._first_pause
        while True:
            began = time.monotonic()
            code = await self._until_ended(child)
            child.kill()
            if time.monotonic() - began >= STEADY_SECONDS:
                pause = self._first_pause
            self._say(
                f"{program.name} {ending(code)}; starting it again in {pause:g} s"
                f" (log: {shown(program.log)})"
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            child = await Child.start(program)
            self._running[program.name] = child

    async def _until_ended(self, child: Child) -> int:
        """Wait for a child's end; one that is stopped or hangs is brought to it."""
        watching = asyncio.create_task(self._watch(child))
        try:
            return await child.wait()
        finally:
            watching.cancel()

    async def _watch(self, child: Child) -> None:
        """Kill a child that is silent for too long, by the time in which we ourselves ran.

        So a machine that slept, or was too busy for us as well, is not held against the child.
        """
        program = child.program
        if program.last_beat is None:
            return
        heard, silence, looked = program.last_beat(child.pid), 0.0, time.monotonic()
        while silence < program.silence_seconds:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            now, beat = time.monotonic(), program.last_beat(child.pid)
            silence += min(now - looked, 2 * LOOK_EVERY_SECONDS)
            looked = now
            if beat is None or beat != heard:
                heard, silence = beat, 0.0
        self._say(
            f"{program.name} (process {child.pid}) gave no sign of life for"
            f" {program.silence_seconds:g} s; killing it"
        )
        child.kill()


def ending(code: int) -> str:
    """Say how a process ended, from its exit code."""
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
