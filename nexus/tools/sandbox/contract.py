"""What a sandbox promises, whichever it is: one run of code over one folder, within caps.

Called by the run_python tool. A sandbox never falls back to a plain process.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Caps:
    """The most one run may use. Bytes and seconds; `processes` counts threads too."""

    seconds: float = 60.0
    output_bytes: int = 256 * 1024
    memory_bytes: int = 2 * 1024**3
    file_bytes: int = 64 * 1024**2
    folder_bytes: int = 512 * 1024**2
    folder_entries: int = 20_000
    processes: int = 64
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How a run ended. `truncated`: output beyond the cap was thrown away.

    `remark` says in a sentence why the run was ended early, if it was.
    """

    stdout: str
    stderr: str
    exit_code: int
    timed_out: bool = False
    truncated: bool = False
    remark: str | None = None


class Sandbox(Protocol):
    """Runs untrusted Python; `description` tells a model what it can use there."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    async def run(self, code: str, folder: Path) -> SandboxResult:
        """Run `code` with `folder` as its working directory, the only place it can write to.

        Raises:
            ToolRefused: the folder is over its quota before the run.
            ServiceMissing: the sandbox could not be started.
        """
        ...
