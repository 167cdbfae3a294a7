"""The command line starts quickly because it loads nothing heavy before a command needs it."""

import json
import subprocess
import sys

HEAVY = {
    "asyncpg",
    "chromadb",
    "fastapi",
    "httpx2",
    "onnxruntime",
    "openai",
    "pydantic_ai",
    "pydantic_settings",
    "redis",
    "rich",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
}
HELP = """
import json, sys
from nexus.cli.app import app
try:
    app(["{}", "--help"] if "{}" else ["--help"])
except SystemExit as end:
    assert end.code == 0
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})), file=sys.stderr)
"""


def loaded_by_help(command: str) -> set[str]:
    """The top-level modules in memory after a command's help."""
    source = HELP.format(command, command)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by_help("") & HEAVY == set()


def test_the_help_of_run_loads_nothing_heavy() -> None:
    assert loaded_by_help("run") & HEAVY == set()
