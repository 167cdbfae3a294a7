"""The tools over the files of the project's folder."""

import asyncio

from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools import files, made
from nexus.tools.scope import ToolScope
from nexus.tools.spec import Caution, tool


@tool(effect=Effect.READ, caution=Caution.STORED)
async def read_file(scope: ToolScope, path: str) -> Json:
    """Return the text of a file in the project's folder, at most its first 256 KiB."""
    content = await asyncio.to_thread(files.read_file, scope.folder, path)
    if b"\0" in content.data[:8192]:
        raise ToolRefused(f"{path!r} is not text ({content.size} bytes); use run_python to read it")
    text = content.data.decode("utf-8", "replace")
    if content.is_truncated:
        text += f"\n[cut: the first {len(content.data)} of {content.size} bytes]"
    return text


@tool(effect=Effect.IDEMPOTENT)
async def write_file(scope: ToolScope, path: str, content: str) -> Json:
    """Write a text file in the project's folder, replacing what was there."""
    data = content.encode("utf-8", "replace")
    await asyncio.to_thread(files.write_file, scope.folder, path, data)
    scope.made.append(made.made_file(path, data))
    return {"path": path, "bytes": len(data)}


@tool(effect=Effect.READ)
async def list_files(scope: ToolScope, path: str = ".") -> Json:
    """List the files below a directory of the project's folder, with their sizes in bytes."""
    notes, has_more = await asyncio.to_thread(files.list_files, scope.folder, path)
    listed: list[Json] = [
        {"path": note.path, "kind": note.kind, "bytes": note.size} for note in notes
    ]
    answer: dict[str, Json] = {"files": listed}
    if has_more:
        answer["remark"] = f"only the first {len(notes)} are shown; list a directory below"
    return answer
