"""Plans for Nexus, made of the shapes every engine gets."""

import json
from pathlib import Path
from typing import Any

from benchmarks.shapes import Shape, Step


def plan_of(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a plan of one phase whose tasks wait for nothing but what they name."""
    phase = {"key": "all", "title": "All", "execution": "parallel", "tasks": tasks}
    return {"phases": [phase]}


def _task(step: Step, agent: str, instructions: str) -> dict[str, Any]:
    return {
        "key": step.key,
        "title": step.key,
        "agent": agent,
        "instructions": instructions,
        "depends_on": list(step.after),
    }


def waiting_plan(shape: Shape) -> dict[str, Any]:
    """Plan steps in plain Python."""
    return plan_of([_task(step, "bench_step", repr(step.seconds)) for step in shape])


def witnessed_plan(shape: Shape, log: Path) -> dict[str, Any]:
    """Plan steps that note in a file when they begin."""
    told = [json.dumps({"seconds": step.seconds, "log": str(log)}) for step in shape]
    return plan_of(
        [_task(step, "bench_witness", line) for step, line in zip(shape, told, strict=True)]
    )


def agent_plan(shape: Shape, agent: str) -> dict[str, Any]:
    """Plan conversations with a model."""
    return plan_of([_task(step, agent, "Do as the model says.") for step in shape])
