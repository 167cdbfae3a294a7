"""What the model of a world says, and how its calls are told apart.

A task's instructions say how many marks it leaves (`marks: 2`): the model calls the tool that
often, one a turn, and then answers. Each reply takes a while, drawn from the world's seed.
"""

import asyncio
import hashlib
import json
import random
import re
from dataclasses import dataclass
from typing import Any, Final

from tests.scripted_model import Reply, Script, ScriptedModel, ToolCalls

MARKS: Final = re.compile(r"marks: (\d+)")
TASK: Final = re.compile(r'<task key="([^"]+)"')

TRANSPORT: Final = frozenset({"stream", "stream_options"})
"""Whether somebody watches decides how a reply is sent, not what is asked."""

PROJECT: Final = re.compile(r"Project \d+")


@dataclass(frozen=True, slots=True)
class Asked:
    """One call the model server received; its answer's id is `chatcmpl-<number>`."""

    number: int
    at_us: int
    fingerprint: str
    task: str
    project: str


def fingerprint_of(request: dict[str, Any]) -> str:
    """Name a request by all it says: a call that is made again has the same name."""
    said = {name: value for name, value in request.items() if name not in TRANSPORT}
    text = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def task_of(request: dict[str, Any]) -> str:
    """Name the task a request is about."""
    found = TASK.search(str(request["messages"]))
    return found.group(1) if found else "plan"


def asked(model: ScriptedModel) -> list[Asked]:
    """List every call a model server received, in order."""
    return [
        Asked(number, at_us, fingerprint_of(request), task_of(request), project_of(request))
        for number, (request, at_us) in enumerate(
            zip(model.requests, model.arrived_us, strict=True), 1
        )
    ]


def project_of(request: dict[str, Any]) -> str:
    """Name the project a request is about, as its world numbers them."""
    found = PROJECT.search(str(request["messages"]))
    return found.group(0) if found else ""


def marking(seed: int, least_seconds: float, most_seconds: float) -> Script:
    """Make the script of a world: marks, then an answer, each after a moment."""

    async def script(request: dict[str, Any]) -> Reply:
        pause = random.Random(f"{seed} {fingerprint_of(request)}")
        await asyncio.sleep(pause.uniform(least_seconds, most_seconds))
        return reply_to(request)

    return script


def reply_to(request: dict[str, Any]) -> Reply:
    """Call the tool until the task's marks are left, then answer."""
    task = task_of(request)
    wanted = MARKS.search(str(request["messages"]))
    done = sum(message["role"] == "tool" for message in request["messages"])
    if wanted and done < int(wanted.group(1)):
        return ToolCalls((("leave_mark", {"text": f"{project_of(request)} {task} {done}"}),))
    return f"The answer to {task} is {task}-42."
