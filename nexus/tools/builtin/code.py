"""The tool that runs Python in the sandbox."""

import asyncio

from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.made import MOST_FILES, look_over, written_since
from nexus.tools.scope import ToolScope
from nexus.tools.spec import Caution, tool


@tool(effect=Effect.IDEMPOTENT, caution=Caution.STORED)
async def run_python(scope: ToolScope, code: str) -> Json:
    """Run a Python program in the sandbox, in the project's folder, and return what it printed.

    Nothing is kept between runs but files. Print the values you want to see.
    """
    if not code.strip():
        raise ToolRefused("run_python: there is no code to run")
    before = await asyncio.to_thread(look_over, scope.folder)
    try:
        result = await scope.equipment.sandbox.run(code, scope.folder)
    finally:
        written = await asyncio.to_thread(written_since, scope.folder, before)
        scope.made.extend(written[:MOST_FILES])
    answer: dict[str, Json] = {
        "exit_code": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
    }
    remarks = [result.remark] if result.remark else []
    if result.truncated:
        remarks.append("the output was longer than what is shown here")
    if len(written) > MOST_FILES:
        remarks.append(f"it wrote {len(written)} files; only {MOST_FILES} are listed as artifacts")
    if remarks:
        answer["remark"] = "; ".join(remarks)
    return answer
