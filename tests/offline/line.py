"""A whole line by hand: the real agents' prompt format, the real rules, a small world of tools.

The world searches documents by their sections and really runs programs, in a process of their own.
"""

import html
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from nexus.domain.graph import Graph, compile_plan
from nexus.domain.plan import Plan, PlanTask
from nexus.llm.offline import OfflineModel
from nexus.llm.offline.words import subjects

AGENTS = frozenset({"research", "code", "content", "data", "qa", "memory"})
EXAMPLE = Path(__file__).parents[2] / "examples" / "penguins"
MEDIA = {".csv": "text/csv", ".md": "text/markdown", ".txt": "text/plain"}
TAG = re.compile(
    r"<(?=/?(?:goal|task|acceptance|inputs|input|documents|passages|passage|agents)\b)"
)


def escaped(text: str) -> str:
    return TAG.sub("&lt;", text)


def definition(name: str, argument: str, description: str = "") -> ToolDefinition:
    schema = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    return ToolDefinition(name=name, description=description or name, parameters_json_schema=schema)


OUTPUT_TOOL = ToolDefinition(
    name="submit_plan", description="The plan", parameters_json_schema={"type": "object"}
)


@dataclass(frozen=True)
class World:
    """Documents at hand, in a folder, with the tools over them."""

    folder: Path
    documents: tuple[Path, ...] = ()
    tools: tuple[str, ...] = ("search_memory", "read_file", "run_python")
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, documents: Sequence[Path], **more: Any) -> "World":
        """Lay the documents out as a worker does."""
        target = folder / "documents"
        target.mkdir(parents=True, exist_ok=True)
        for document in documents:
            (target / document.name).write_bytes(document.read_bytes())
        return cls(folder, tuple(target / document.name for document in documents), **more)

    def listing(self) -> str:
        return "\n".join(
            f"- documents/{path.name} | title: {self.title(path)} | {MEDIA[path.suffix]}"
            f" | {path.stat().st_size} bytes | id: doc_{at}"
            for at, path in enumerate(self.documents)
        )

    def title(self, path: Path) -> str:
        return path.name

    def sections(self) -> list[dict[str, Any]]:
        found = []
        for path in self.documents:
            if path.suffix != ".md":
                continue
            first, *parts = re.split(r"(?m)^(?=## )", path.read_text("utf-8"))
            for part in parts:
                names = [text.strip().splitlines()[0].lstrip("# ") for text in (first, part)]
                heading = f"section {' > '.join(names)}"
                found.append(
                    {
                        "text": part,
                        "title": self.title(path),
                        "locator": heading,
                        "document_id": path.stem,
                    }
                )
        return found

    def search(self, query: str, most: int = 8) -> list[dict[str, Any]]:
        wanted = set(subjects(query))
        scored = [
            {**s, "score": len(wanted & set(subjects(s["text"]))) / max(1, len(wanted))}
            for s in self.sections()
        ]
        hits = [s for s in scored if s["score"] > 0]
        return sorted(hits, key=lambda s: -s["score"])[:most]

    def call(self, name: str, arguments: dict[str, Any]) -> Any:
        self.calls.append((name, arguments))
        if name == "search_memory":
            return {"items": self.search(arguments["query"])}
        if name == "read_file":
            return {"content": (self.folder / arguments["path"]).read_text("utf-8")}
        done = subprocess.run(
            [sys.executable, "-I", "-c", arguments["code"]],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return {"stdout": done.stdout, "stderr": done.stderr, "exit_code": done.returncode}


def prompt_for(world: World, goal: str, task: PlanTask, inputs: Mapping[str, str]) -> str:
    """Write the user prompt of a task, in the order agents keep."""
    parts = [
        f"<goal>\n{escaped(goal)}\n</goal>",
        f'<task key="{task.key}" title="{html.escape(task.title)}">\n{escaped(task.instructions)}\n</task>',
    ]
    if task.acceptance:
        parts.append(
            "<acceptance>\n"
            + "\n".join(f"- {escaped(a)}" for a in task.acceptance)
            + "\n</acceptance>"
        )
    if inputs:
        given = "\n".join(f'<input task="{k}">\n{escaped(v)}\n</input>' for k, v in inputs.items())
        parts.append(f"<inputs>\n{given}\n</inputs>")
    if world.documents:
        parts.append(f"<documents>\n{world.listing()}\n</documents>")
        passages = "\n".join(
            f'<passage title="{p["title"]}" locator="{p["locator"]}" document="{p["document_id"]}">\n'
            f"{escaped(p['text'])}\n</passage>"
            for p in world.search(task.instructions or task.title, 4)
        )
        if passages:
            parts.append(f"<passages>\n{passages}\n</passages>")
    return "\n".join(parts)


async def ask(messages: list[ModelMessage], parameters: ModelRequestParameters) -> ModelResponse:
    return await OfflineModel().request(messages, None, parameters)


async def plan_goal(goal: str, world: World | None = None, extra: str = "") -> Plan:
    """Have the manager plan, and validate as the engine does."""
    agents = "\n".join(f"- {name}: does {name} work" for name in sorted(AGENTS)) + extra
    documents = (
        f"<documents>\n{world.listing()}\n</documents>\n" if world and world.documents else ""
    )
    user = f"<goal>\n{escaped(goal)}\n</goal>\n{documents}<agents>\n{agents}\n</agents>"
    response = await ask(
        [
            ModelRequest(
                parts=[
                    SystemPromptPart("You are the manager agent of Nexus.\nPlan."),
                    UserPromptPart(user),
                ]
            )
        ],
        ModelRequestParameters(
            output_tools=[OUTPUT_TOOL], output_mode="tool", allow_text_output=False
        ),
    )
    (call,) = response.parts
    assert isinstance(call, ToolCallPart)
    assert call.tool_name == "submit_plan"
    plan = Plan.model_validate(json.loads(call.args_as_json_str()))
    compile_plan(plan, AGENTS | {line[2:].partition(":")[0] for line in extra.splitlines() if line})
    return plan


async def run_task(
    world: World, goal: str, task: PlanTask, inputs: Mapping[str, str] | None = None
) -> str:
    """Run one task to its text, with the tools of the world."""
    definitions = [
        definition("search_memory", "query"),
        definition("read_file", "path"),
        definition("run_python", "code", "Run Python in the sandbox; print what you need."),
    ]
    parameters = ModelRequestParameters(
        function_tools=[d for d in definitions if d.name in world.tools]
    )
    prompt = prompt_for(world, goal, task, inputs or {})
    messages: list[ModelMessage] = [
        ModelRequest(
            parts=[
                SystemPromptPart(f"You are the {task.agent} agent of Nexus.\n"),
                UserPromptPart(prompt),
            ]
        )
    ]
    for _ in range(8):
        response = await ask(messages, parameters)
        calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
        if not calls:
            (text,) = response.parts
            assert isinstance(text, TextPart)
            return text.content
        messages += [
            response,
            ModelRequest(
                parts=[
                    ToolReturnPart(
                        c.tool_name, world.call(c.tool_name, c.args_as_dict()), c.tool_call_id
                    )
                    for c in calls
                ]
            ),
        ]
    raise AssertionError("the offline model never came to an end")


async def run_line(goal: str, world: World) -> tuple[Plan, dict[str, str]]:
    """Plan a goal and run every task after those it depends on."""
    plan = await plan_goal(goal, world)
    graph: Graph = compile_plan(plan, AGENTS)
    outputs: dict[str, str] = {}
    for node, (_, _, task) in enumerate(plan.tasks()):
        inputs = {
            graph.keys[source]: outputs[graph.keys[source]] for source in graph.inputs_of(node)
        }
        outputs[task.key] = await run_task(world, goal, task, inputs)
    return plan, outputs
