"""A server as a child process, spoken to in lines over its stdin and stdout.

Its environment is what the configuration says and nothing else; it dies with its worker.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from typing import Final

from nexus.tools.mcp.configuration import ServerSettings
from nexus.tools.mcp.wire import (
    METHOD_NOT_FOUND,
    MOST_MESSAGE,
    Dialect,
    LinkLost,
    Message,
    notification,
    request,
    result_of,
)

END_SECONDS: Final = 2.0
KEPT_WORDS: Final = 2_000
# Run by a bare interpreter: the kernel ends the server when its worker dies (prctl(2), 1).
LAUNCH: Final = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux':\n    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\n"
    "    if os.getppid() != int(sys.argv[1]):\n        sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


class StdioLink:
    """A started server. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.dialect = Dialect()
        self._process = process
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self._words = b""
        self._reading = asyncio.create_task(self._read())
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def start(cls, settings: ServerSettings) -> "StdioLink":
        """Start the server.

        Raises:
            LinkLost: there is no such program, or it cannot be started.
        """
        program = shutil.which(settings.command or "", path=settings.env.get("PATH", os.defpath))
        program = program or shutil.which(settings.command or "")
        if program is None:
            raise LinkLost(f"there is no program {settings.command!r}")
        launch = (sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()))
        try:
            process = await asyncio.create_subprocess_exec(
                *launch,
                program,
                *settings.args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=settings.env,
                cwd="/",
                limit=MOST_MESSAGE,
                start_new_session=True,
            )
        except OSError as wrong:
            raise LinkLost(f"{settings.command!r} cannot be started: {wrong.strerror}") from wrong
        return cls(process)

    @property
    def is_open(self) -> bool:
        return self._process.returncode is None and not self._reading.done()

    async def request(self, method: str, params: Message, seconds: float) -> Message:
        self._number += 1
        number = self._number
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._send(request(number, method, self.dialect.params(params)))
                return result_of(await answer)
        except TimeoutError:
            with contextlib.suppress(LinkLost, TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._send(notification("notifications/cancelled", {"requestId": number}))
            raise
        finally:
            self._asked.pop(number, None)

    async def notify(self, method: str) -> None:
        await self._send(notification(method))

    async def close(self) -> None:
        """Close its stdin, which should end it; kill what is left of it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            for task in (self._reading, self._hearing):
                task.cancel()
            await asyncio.wait({self._reading, self._hearing})

    async def _send(self, message: Message) -> None:
        if not self.is_open or self._process.stdin is None:
            raise self._lost()
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as wrong:
            raise self._lost() from wrong

    async def _read(self) -> None:
        """Give answers to those who asked, until the server ends or is not understood."""
        try:
            while self._process.stdout and (line := await self._process.stdout.readline()):
                await self._take(line)
        except (ValueError, OSError, LinkLost):  # ValueError: a line beyond every measure
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        finally:
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(self._lost())

    async def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return  # servers print to stdout what should go to stderr
        if not isinstance(message, dict):
            return
        number = message.get("id")
        if "method" in message:
            if number is not None:
                await self._reply(number, str(message["method"]))
        elif isinstance(number, int) and (answer := self._asked.get(number)) and not answer.done():
            answer.set_result(message)

    async def _reply(self, number: object, method: str) -> None:
        """Answer what a server asks of us: it may ask whether we live, and nothing else."""
        reply: Message = {"jsonrpc": "2.0", "id": number}
        if method == "ping":
            reply["result"] = {}
        else:
            reply["error"] = {"code": METHOD_NOT_FOUND, "message": "nexus does not do this"}
        await self._send(reply)

    async def _hear(self) -> None:
        """Keep the last of what it says on stderr."""
        stream = self._process.stderr
        while stream is not None and (chunk := await stream.read(4_096)):
            self._words = (self._words + chunk)[-KEPT_WORDS:]

    def _lost(self) -> LinkLost:
        lines = self._words.decode("utf-8", "replace").strip().splitlines()
        return LinkLost("the server ended" + (f": {lines[-1][:300]}" if lines else ""))
