"""The commands that run processes: `up`, `services`, `serve` and `worker`."""

from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli.options import Concurrency, DataDir, Host, Model, Port, settle, settle_process
from nexus.cli.screen import say

if TYPE_CHECKING:
    from nexus.cli.stack.embedded import Running

Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes (NEXUS_WORKERS).")
]


def up(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    model: Model = None,
) -> None:
    """Run everything: Valkey, Chroma, the API and workers."""
    from nexus.cli.model import model_in_use
    from nexus.cli.stack.embedded import run_embedded

    settings = settle(
        host=host,
        port=port,
        data_dir=data_dir,
        workers=workers,
        concurrency=concurrency,
        model=model,
    )
    chosen = model_in_use(settings)
    run_embedded(
        settings, whole=True, say=say, announce=lambda running: _announce_all(running, chosen)
    )


def services(data_dir: DataDir = None) -> None:
    """Run only the embedded Valkey and Chroma.

    For an API and workers that are started by hand over the same data directory.
    """
    from nexus.cli.stack.embedded import run_embedded

    run_embedded(settle(data_dir=data_dir), whole=False, say=say, announce=_announce_services)


def serve(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run the API, one process."""
    from nexus.cli.stack.ports import claim_port

    settings = settle_process(host=host, port=port, data_dir=data_dir)
    # A taken port is found out here: uvicorn finds out after everything has been opened.
    free = claim_port(settings.host, settings.port)
    from nexus.main import serve as serve_api

    say(f"starting the API on {settings.host}, port {free}")
    serve_api(settings.model_copy(update={"port": free}))


def worker(data_dir: DataDir = None, concurrency: Concurrency = None, model: Model = None) -> None:
    """Run one worker process."""
    settle_process(data_dir=data_dir, concurrency=concurrency, model=model)
    from nexus.worker import main as work

    work()


def _announce_all(running: "Running", model: str) -> None:
    settings, url = running.settings, running.services.api_url
    workers = f"{settings.workers} worker{'s' if settings.workers > 1 else ''}"
    _write_block(
        f"Nexus is up with {workers}",
        [
            ("API", f"{url}"),
            ("Routes", f"{url}/openapi.json"),
            ("Key", f"{settings.data / 'admin.key'}"),
            ("Model", model),
            ("Data", f"{settings.data}"),
            ("Logs", f"{settings.data / 'logs'}"),
            ("Stop", "Ctrl-C"),
        ],
        running.missing,
    )


def _announce_services(running: "Running") -> None:
    there = running.services
    data = running.settings.data
    _write_block(
        "The services are up",
        [
            ("Valkey", _without_password(there.redis_url)),
            ("Chroma", there.chroma_url or "missing"),
            ("Found by", f"{data / 'services.json'}"),
            ("Stop", "Ctrl-C"),
        ],
        running.missing,
    )


def _without_password(url: str | None) -> str:
    if not url:
        return "missing"
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _write_block(title: str, lines: list[tuple[str, str]], missing: tuple[str, ...]) -> None:
    width = max(len(name) for name, _ in lines)
    rows = [f"  {name:<{width}}  {value}" for name, value in lines]
    rows += [f"  without: {what}" for what in missing]
    say("\n".join([title, *rows]))
