"""The options that many commands share, and the settings they lead to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient
    from nexus.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="FOLDER", help="Data directory (NEXUS_DATA_DIR; default .nexus)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="A running installation (NEXUS_URL); key: NEXUS_API_KEY."
    ),
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on (NEXUS_HOST).")
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65_535, help="Port (NEXUS_PORT); 0: any free one."),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency", min=1, help="Subtasks a worker has in flight (NEXUS_CONCURRENCY)."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model (NEXUS_MODEL), e.g. groq:openai/gpt-oss-120b or offline.",
    ),
]


def settle(**overrides: object) -> "Settings":
    """Read the settings with a command's options on top; None leaves the environment's value."""
    from nexus.settings import read_settings

    return read_settings(**overrides)


def settle_process(**overrides: object) -> "Settings":
    """Like `settle`, and put the options into the environment for code that reads it anew."""
    for name, value in overrides.items():
        if value is not None:
            os.environ[f"NEXUS_{name.upper()}"] = str(value)
    return settle()


def connect(data_dir: Path | None, url: str | None) -> "ApiClient":
    """Open a client of the installation a command is about.

    Raises:
        ServiceMissing: none is running.
    """
    from nexus.cli.api.installation import need_installation

    return need_installation(settle(data_dir=data_dir, url=url)).client()
