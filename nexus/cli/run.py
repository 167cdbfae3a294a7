"""`nexus run`: from a goal to its deliverable, on a running installation or one for the run."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli.budget import Calls, Dollars, Seconds, Tokens, limits_of
from nexus.cli.interruption import INTERRUPTED, interruptible
from nexus.cli.options import DataDir, Model, Url, settle
from nexus.cli.screen import say
from nexus.errors import InvalidInput, ServiceMissing

if TYPE_CHECKING:
    from nexus.cli.api.installation import Installation
    from nexus.cli.journey import Wish
    from nexus.settings import Settings

Documents = Annotated[
    list[Path] | None,
    typer.Option(
        "--document", "-d", metavar="FILE", help="A file to put at hand; may be repeated."
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="A plan of yours (JSON), instead of planning."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to save the deliverable."),
]


def run(
    goal: Annotated[str, typer.Argument(metavar="GOAL", help="What to achieve, in plain words.")],
    document: Documents = None,
    plan: PlanFile = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Run the plan without asking.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and leave.")] = False,
    model: Model = None,
    output: Output = None,
    max_cost_usd: Dollars = None,
    max_tokens: Tokens = None,
    max_seconds: Seconds = None,
    max_calls: Calls = None,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Plan a goal, run the plan, hand over the result."""
    import sys

    from nexus.cli.journey import Wish
    from nexus.cli.uploads import check_files

    settings = settle(data_dir=data_dir, url=url)
    if not goal.strip():
        raise InvalidInput("the goal is blank", hint="say what to achieve")
    check_files(document or [])
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    drafted = read_plan(plan) if plan else None
    limits = limits_of(max_cost_usd, max_tokens, max_seconds, max_calls)
    wish = Wish(goal, document or [], drafted, model, asks, detach, output, limits)
    raise typer.Exit(_run(settings, wish))


def read_plan(file: Path) -> dict[str, Any]:
    """Read a plan document from a file.

    Raises:
        InvalidInput: it is not there, or not a JSON object.
    """
    import json

    try:
        plan = json.loads(file.read_text())
    except OSError as refused:
        raise InvalidInput(f"cannot read the plan {file}: {refused.strerror}") from refused
    except ValueError as wrong:
        raise InvalidInput(f"the plan {file} is not JSON: {wrong}") from wrong
    if isinstance(plan, dict):
        return plan
    raise InvalidInput(f"the plan {file} is not a JSON object", hint="it has execution and phases")


def _run(settings: "Settings", wish: "Wish") -> int:
    from nexus.cli.api.installation import find_installation, need_installation
    from nexus.cli.stack.background import installation_for_a_while

    with interruptible(), ExitStack() as stack:
        found = find_installation(settings)
        if found is None:
            if wish.detach:
                raise ServiceMissing(
                    "--detach needs a running Nexus, and none runs over this data directory",
                    hint="start one with `nexus up`, or leave --detach out",
                )
            say(f"starting Nexus for this run over {settings.data}")
            try:
                stack.enter_context(installation_for_a_while(settings))
            except KeyboardInterrupt:
                return INTERRUPTED
            return _attend(settings, need_installation(settings), wish, is_ours=True)
        return _attend(settings, found, wish, is_ours=False)


def _attend(settings: "Settings", there: "Installation", wish: "Wish", *, is_ours: bool) -> int:
    from nexus.cli.journey import Journey

    with there.client() as client:
        journey = Journey(client, settings.data, wish)
        try:
            return journey.travel()
        except KeyboardInterrupt:
            journey.leave(cancel=is_ours)
            return INTERRUPTED
