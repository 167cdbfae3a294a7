"""`nexus projects budget`: what a project may spend, shown and changed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, show_table

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient

ProjectId = Annotated[str, typer.Argument(metavar="ID", help="The project's id.")]
Dollars = Annotated[
    str | None, typer.Option("--max-cost-usd", metavar="DOLLARS", help="At most so many dollars.")
]
Tokens = Annotated[int | None, typer.Option("--max-tokens", help="At most so many tokens.")]
Seconds = Annotated[
    float | None, typer.Option("--max-seconds", help="At most so many seconds at work.")
]
Calls = Annotated[int | None, typer.Option("--max-calls", help="At most so many model calls.")]
NoLimit = Annotated[bool, typer.Option("--none", help="Remove every limit first.")]


def budget(
    project_id: ProjectId,
    max_cost_usd: Dollars = None,
    max_tokens: Tokens = None,
    max_seconds: Seconds = None,
    max_calls: Calls = None,
    none: NoLimit = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Show a project's budget, or change the limits that are named.

    A project that waits for its budget goes on with: nexus projects resume ID
    """
    given = limits_of(max_cost_usd, max_tokens, max_seconds, max_calls)
    with connect(data_dir, url) as client:
        project = _change(client, project_id, given, none)
    if as_json:
        emit({"budget": project["budget"], "usage": project["usage"]})
        return
    show_table(("limit", "allowed", "spent"), _rows(project), "no budget: nothing limits it")


def limits_of(
    max_cost_usd: str | None,
    max_tokens: int | None,
    max_seconds: float | None,
    max_calls: int | None,
) -> dict[str, Any]:
    """Write the limits that were named the way the API takes them."""
    named = {
        "max_cost_usd": max_cost_usd,
        "max_tokens": max_tokens,
        "max_seconds": max_seconds,
        "max_calls": max_calls,
    }
    return {name: value for name, value in named.items() if value is not None}


def _change(
    client: "ApiClient", project_id: str, given: dict[str, Any], none: bool
) -> dict[str, Any]:
    project = client.get(f"/projects/{project_id}")
    if not given and not none:
        return project
    kept = {} if none else project["budget"] or {}
    wanted = {**kept, **given}
    return client.patch(f"/projects/{project_id}", {"budget": wanted or None})


def _rows(project: dict[str, Any]) -> list[tuple[str, ...]]:
    usage = project["usage"]
    unpriced = usage["unpriced_requests"]
    short = f", and {unpriced:,} calls of unknown price" if unpriced else ""
    spent = {
        "max_cost_usd": f"{usage['cost_usd']}{short}",
        "max_tokens": f"{usage['input_tokens'] + usage['output_tokens']:,}",
        "max_calls": f"{usage['requests']:,}",
    }
    return [
        (name, f"{allowed:,}" if isinstance(allowed, int) else str(allowed), spent.get(name, ""))
        for name, allowed in (project["budget"] or {}).items()
        if allowed is not None
    ]
