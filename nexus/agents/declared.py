"""Declared agents: a declaration, checked, becomes an agent that runs a model.

Called for the agents of files at start, and for those of a workspace when they are made and
when one runs; reads no database.
"""

import asyncio
import tomllib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from nexus.agents.context import Context
from nexus.agents.spec import AgentSpec, Run
from nexus.domain.declared import AgentDeclaration
from nexus.domain.work import Brief
from nexus.errors import FieldProblem, LimitReached, Misconfigured

FOLDER: Final = "agents"
"""Inside the data directory."""


def spec_of(declaration: AgentDeclaration) -> AgentSpec:
    """Make the agent that a declaration describes."""
    return AgentSpec(
        declaration.name,
        " ".join(declaration.description.split()),
        _run(declaration),
        tuple(declaration.tools),
        declaration=declaration,
    )


def find_faults(
    declaration: AgentDeclaration, taken: Collection[str], tools: Collection[str]
) -> tuple[FieldProblem, ...]:
    """Find what a shape cannot tell: a name that is taken, tools that do not exist or come twice."""
    faults = []
    if declaration.name in taken:
        faults.append(FieldProblem("name", "is the name of an agent of this installation"))
    for at, name in enumerate(declaration.tools):
        if name not in tools:
            faults.append(FieldProblem(f"tools[{at}]", "unknown tool"))
        elif name in declaration.tools[:at]:
            faults.append(FieldProblem(f"tools[{at}]", "is there twice"))
    return tuple(faults)


def read_files(data: Path, taken: Collection[str]) -> dict[str, AgentSpec]:
    """Read the agents of `<data>/agents/*.toml`, by name.

    Raises:
        Misconfigured: a file is no declaration, or declares what cannot be; it is named.
    """
    found: dict[str, AgentSpec] = {}
    for file in sorted((data / FOLDER).glob("*.toml")):
        from nexus.tools.registry import tools

        declaration = _read(file)
        faults = find_faults(declaration, {*taken, *found}, tools())
        if faults:
            raise _wrong(file, f"{faults[0].place}: {faults[0].message}")
        found[declaration.name] = spec_of(declaration)
    return found


def _read(file: Path) -> AgentDeclaration:
    try:
        return AgentDeclaration.model_validate(tomllib.loads(file.read_text("utf-8")))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _wrong(file, f"{place}: {first['msg']}") from wrong
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise _wrong(file, f"it is not TOML ({wrong})") from wrong
    except OSError as wrong:
        raise _wrong(file, f"it cannot be read ({wrong.strerror})") from wrong


def _wrong(file: Path, reason: str) -> Misconfigured:
    return Misconfigured(
        f"the agent of {FOLDER}/{file.name} cannot be used: {reason}",
        hint="mend the file or take it out of the data directory",
    )


def _run(declaration: AgentDeclaration) -> Run:
    async def run(brief: Brief, context: Context) -> str:
        from nexus.agents.model_agent import ModelAgent

        seconds = declaration.limits.timeout_seconds
        chosen = replace(context, model=declaration.model or context.model)
        agent = ModelAgent(declaration.name, tuple(declaration.tools), declaration=declaration)
        try:
            async with asyncio.timeout(seconds) as limit:
                return await agent.run(brief, chosen)
        except TimeoutError as wrong:
            if not limit.expired():
                raise
            raise LimitReached(
                f"the agent {declaration.name} was not done after its {seconds:g} seconds",
                hint="make the task smaller, or raise limits.timeout_seconds of the agent",
            ) from wrong

    return run
