"""One started bubblewrap process: waited for, and killed so that nothing of it remains."""

import asyncio
import contextlib
import json
import os
import select
import signal
from dataclasses import dataclass, field
from typing import Final

_KILL_SECONDS: Final = 5.0
_TOLD_SECONDS: Final = 1.0


@dataclass(slots=True)
class SandboxProcess:
    """`status` is the read end of the pipe on which bwrap tells the pid of its process 1.

    `remark` is why it was stopped before its own end.
    """

    process: asyncio.subprocess.Process
    status: int
    remark: str | None = None
    _inner: int | None = field(default=None, init=False)

    def stop(self, remark: str | None = None) -> None:
        """Kill process 1, and the namespace with it; bwrap reaps it and ends itself.

        Killing bwrap instead would leave process 1 to whoever adopts orphans.
        """
        if self.process.returncode is not None:
            return
        self.remark = self.remark or remark
        inner = self._process_one()
        with contextlib.suppress(ProcessLookupError):
            if inner is None:
                self.process.kill()
            else:
                os.kill(inner, signal.SIGKILL)

    def _process_one(self) -> int | None:
        """Return the pid of process 1; bwrap tells it some 2 ms after its start."""
        told = b""
        while self._inner is None and select.select([self.status], [], [], _TOLD_SECONDS)[0]:
            part = os.read(self.status, 4096)
            told += part
            with contextlib.suppress(ValueError):
                self._inner = int(json.loads(told)["child-pid"])
            if not part:
                break
        return self._inner

    async def end(self) -> None:
        """Kill what still runs and wait until bwrap is gone."""
        try:
            self.stop()
            async with asyncio.timeout(_KILL_SECONDS):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        finally:
            os.close(self.status)
