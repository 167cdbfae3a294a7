"""Importing is light and has no effects; the direction of imports is kept."""

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.support.places import ROOT

HEAVY: Final = ("torch", "chromadb", "pydantic_ai", "onnxruntime", "tokenizers", "trafilatura")
LIST_LOADED: Final = """
import json, sys, threading
import {module}
print(json.dumps({{"loaded": sorted(sys.modules), "threads": threading.active_count()}}))
"""


@pytest.mark.parametrize("module", ["nexus.main", "nexus.worker", "nexus.cli.app"])
def test_importing_is_light(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST_LOADED.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    seen = json.loads(done.stdout)
    assert [name for name in HEAVY if name in seen["loaded"]] == []
    assert seen["threads"] == 1


def test_imports_run_one_way() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as lint; lint()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
