"""`nexus doctor`: what is there, what is missing, and what to do about it."""

import typer

from nexus.cli.options import AsJson, DataDir, settle
from nexus.cli.screen import emit, results

MARKS = {"ok": ("✔", "green"), "missing": ("–", "yellow"), "broken": ("✘", "red")}


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say what works here, what is missing, what to do.

    The exit code is 1 only when something Nexus cannot work without is broken.
    """
    from dataclasses import asdict

    from nexus.cli.examination import examine
    from nexus.cli.lending import examine_servers

    settings = settle(data_dir=data_dir)
    findings = [*examine(settings), *examine_servers(settings)]
    broken = any(each.state == "broken" for each in findings)
    if as_json:
        emit({"healthy": not broken, "findings": [asdict(each) for each in findings]})
        raise typer.Exit(1 if broken else 0)
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    for each in findings:
        words = Text.assemble(each.detail, (f"\n{each.advice}" if each.advice else "", "dim"))
        table.add_row(Text(*MARKS[each.state]), each.subject, each.state, words)
    results().print(table)
    raise typer.Exit(1 if broken else 0)
