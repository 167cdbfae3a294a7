"""Runs the table program over a project's folder; called by the table tools.

Behind bubblewrap where that works. Elsewhere in a child process with an empty environment
and limits, over copies of the named files: the program is ours, and DuckDB is locked.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from nexus.domain.seam import Json
from nexus.errors import ServiceMissing, ToolRefused
from nexus.tools import files
from nexus.tools.made import made_at
from nexus.tools.scope import ToolScope

SECONDS: Final = 60.0
MEMORY_BYTES: Final = 4 * 1024**3
FILE_BYTES: Final = 64 * 1024**2
REPLY_BYTES: Final = 256 * 1024
_PREPARED: Final = """
try:
    import resource
    for name, most in (("RLIMIT_AS", {memory}), ("RLIMIT_FSIZE", {file}), ("RLIMIT_CPU", {seconds})):
        resource.setrlimit(getattr(resource, name), (most, most))
except (ImportError, ValueError, OSError):
    pass
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What the program is asked: `act` with its `more`, over tables, writing `output` or nothing."""

    act: str
    tables: dict[str, str]
    more: dict[str, Json]
    output: str | None = None

    def program(self) -> str:
        """Return the text to run; what a model wrote is in it as one literal of JSON."""
        request = {"act": self.act, "tables": self.tables, "output": self.output, **self.more}
        return f"{_text()}\nmain({json.dumps(request)!r})\n"


async def run_over(scope: ToolScope, request: Request) -> Json:
    """Do what is asked and return the program's value.

    Raises:
        ToolRefused: it cannot be done; the words are the model's.
        ServiceMissing: the process could not be started.
    """
    needed = ("duckdb", "matplotlib") if request.act == "draw" else ("duckdb",)
    if not are_installed(needed):
        raise ToolRefused(
            "the table tools are not installed here (its operator can: pip install "
            "'nexus-ai[data]'); read the file and compute with run_python instead"
        )
    value = await _run(scope, request)
    if request.output:
        scope.made.extend(await asyncio.to_thread(made_at, scope.folder, request.output))
    return value


async def _run(scope: ToolScope, request: Request) -> Json:
    if scope.equipment.sandbox.name == "bubblewrap":
        result = await scope.equipment.sandbox.run(request.program(), scope.folder)
        if result.timed_out:
            raise ToolRefused(f"{result.remark or 'it took too long'}: ask for less")
        return _value(result.stdout, result.remark or result.stderr)
    return await _beside(scope.folder, request)


def are_installed(packages: tuple[str, ...]) -> bool:
    """Tell whether packages can be imported."""
    return all(find_spec(name) is not None for name in packages)


async def _beside(folder: Path, request: Request) -> Json:
    """Run the program over copies of its files in a folder of its own."""
    place = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="nexus-tables-"))
    try:
        await asyncio.to_thread(_copy_in, folder, place, request)
        value = await _start(place, request)
        if request.output:
            made = await asyncio.to_thread(
                files.read_file, place, request.output, most_bytes=files.WRITE_BYTES + 1
            )
            await asyncio.to_thread(files.write_file, folder, request.output, made.data)
        return value
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


def _copy_in(folder: Path, place: Path, request: Request) -> None:
    for path in request.tables.values():
        content = files.read_file(folder, path, most_bytes=FILE_BYTES)
        if content.is_truncated:
            raise ToolRefused(f"{path} has {content.size} bytes; at most {FILE_BYTES} are read")
        copy = place / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content.data)


async def _start(place: Path, request: Request) -> Json:
    limits = _PREPARED.format(memory=MEMORY_BYTES, file=FILE_BYTES, seconds=int(SECONDS))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-B", "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"MPLCONFIGDIR": str(place), "MPLBACKEND": "Agg", "HOME": str(place)},
            cwd=place,
            start_new_session=True,
        )
    except OSError as wrong:
        raise ServiceMissing(f"the table program could not be started: {wrong}") from wrong
    try:
        async with asyncio.timeout(SECONDS):
            program = (limits + request.program()).encode("utf-8", "replace")
            out, err = await process.communicate(program)
    except TimeoutError:
        raise ToolRefused(f"it was ended after {SECONDS:g} seconds: ask for less") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _value(out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _value(printed: str, otherwise: str) -> Json:
    """Read the program's reply from its last line."""
    lines = printed.strip().splitlines()
    try:
        reply = json.loads(lines[-1]) if lines else None
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        last = (otherwise.strip().splitlines() or ["it ended without an answer"])[-1]
        raise ToolRefused(f"the table program failed: {last[:500]}")
    if "refused" in reply:
        raise ToolRefused(str(reply["refused"]))
    value: Json = reply.get("value")
    return value


@cache
def _text() -> str:
    return (Path(__file__).parent / "inside.py").read_text()
