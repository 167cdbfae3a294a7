"""Hand over a deliverable: kept as a file, shown as Markdown under a heading."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.cli.screen import results, say
from nexus.cli.show.wording import one_line, shown

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient

TITLE_WIDTH = 120


def read_deliverable(client: "ApiClient", project_id: str) -> str:
    """Read a finished project's deliverable as Markdown."""
    return client.text(f"/projects/{project_id}/deliverable", "text/markdown").rstrip() + "\n"


def save_deliverable(markdown: str, place: Path) -> None:
    """Write it to `place`, whose folder is made when missing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(markdown)


def hand_over(markdown: str, name: str, place: Path) -> None:
    """Save the deliverable, show it, and say where it is."""
    save_deliverable(markdown, place)
    show_markdown(markdown, f"Deliverable: {one_line(name, TITLE_WIDTH)}")
    say(f"saved to {shown(place)}")


def show_markdown(markdown: str, heading: str) -> None:
    """Write Markdown under a heading: rendered on a terminal, as it is elsewhere."""
    if not results().is_terminal:
        sys.stdout.write(f"# {heading}\n\n{markdown}")
        sys.stdout.flush()
        return
    from rich.markdown import Markdown
    from rich.rule import Rule
    from rich.text import Text

    results().print(Rule(Text(heading, "bold")))
    results().print(Markdown(markdown))
