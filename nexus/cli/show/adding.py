"""How `nexus documents add` looks: a bar on a terminal, lines elsewhere, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from nexus.cli.adding import Added, Document, Watcher
from nexus.cli.gathering import Gathered
from nexus.cli.screen import emit, remarks, say


@contextmanager
def watching(total: int) -> Iterator[Watcher]:
    """Show documents on their way: as a bar where there is a terminal."""
    if not remarks().is_terminal or not total:
        yield Watcher(_tell, lambda: None)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=remarks(), transient=True) as bar:
        sending = bar.add_task("sent", total=total)
        reading = bar.add_task("read", total=total)

        def over() -> None:
            bar.advance(reading)

        yield Watcher(lambda document: bar.advance(sending), over)


def _tell(document: Document) -> None:
    if document["status"] == "processing":
        say(f"document {document['title']} is being read ({document['id']})")


def conclude(found: Gathered, added: Added, *, as_json: bool) -> bool:
    """Say what is ready, what was left out and what failed; tell whether all went well."""
    faults = [*found.faults, *added.faults]
    skipped = {reason: count for reason, count in found.skipped.items() if count}
    if as_json:
        errors = [{"title": one.title, "message": one.message, "hint": one.hint} for one in faults]
        emit({"items": added.ready, "errors": errors, "skipped": skipped})
        return not faults
    for each in added.ready:
        say(f"{each['title']} is ready: {each['id']}, {each['passages']} passages")
    if skipped:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        say(f"left out of folders: {told}")
    for fault in faults:
        say(fault.message + (f" ({fault.hint})" if fault.hint else ""))
    if faults:
        say(f"{len(faults)} of {len(found.items) + len(found.faults)} could not be added")
    return not faults
