"""The tool that runs Python in the sandbox."""

from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.scope import ToolScope
from nexus.tools.spec import tool


@tool(effect=Effect.IDEMPOTENT)
async def run_python(scope: ToolScope, code: str) -> Json:
    """Run a Python program in the sandbox, in the project's folder, and return what it printed.

    Nothing is kept between runs but files. Print the values you want to see.
    """
    if not code.strip():
        raise ToolRefused("run_python: there is no code to run")
    result = await scope.equipment.sandbox.run(code, scope.folder)
    answer: dict[str, Json] = {
        "exit_code": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
    }
    remarks = [result.remark] if result.remark else []
    if result.truncated:
        remarks.append("the output was longer than what is shown here")
    if remarks:
        answer["remark"] = "; ".join(remarks)
    return answer
