"""Tools with effects outside, for a model that does whatever it reads: loaded as a plugin."""

import json
from pathlib import Path

from nexus.agents import Caution, Effect, tool
from nexus.domain.seam import Json
from nexus.tools.scope import ToolScope

EFFECTS = "effects.log"
PAGES = "pages.json"


def _note(scope: ToolScope, what: str) -> str:
    with (_root(scope) / EFFECTS).open("a") as log:
        log.write(f"{scope.project_id} {what}\n")
    return "done"


def _root(scope: ToolScope) -> Path:
    """The folder above the data directory: workspaces/<workspace>/<project> are below it."""
    return scope.folder.parents[3]


@tool(effect=Effect.UNSAFE)
async def send_mail(scope: ToolScope, to: str, body: str) -> str:
    """Send a letter."""
    return _note(scope, f"mail {to} {body}")


@tool(effect=Effect.IDEMPOTENT, caution=Caution.MARKED)
async def publish(scope: ToolScope, text: str) -> str:
    """Publish a text for everybody."""
    return _note(scope, f"publish {text}")


@tool(effect=Effect.READ, caution=Caution.OUTSIDE)
async def browse(scope: ToolScope) -> Json:
    """Read the page that the task is about."""
    pages: dict[str, str] = json.loads((_root(scope) / PAGES).read_text())
    text = pages.get(scope.project_id, "")
    return {"url": "https://page.example/news", "title": "News", "text": text, "links": []}
