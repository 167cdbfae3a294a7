"""The embedded installation: takes the data directory's lock and runs everything over it.

Called by `nexus up`, `nexus services` and, through them, `nexus run`.
"""

import asyncio
import ipaddress
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from nexus.cli.stack.answers import answers_at
from nexus.cli.stack.ports import claim_port
from nexus.cli.stack.programs import api_program, environment_for, worker_programs
from nexus.cli.stack.supervisor import ASK_EVERY_SECONDS, Say, Supervisor
from nexus.errors import Conflict, Misconfigured, ServiceMissing
from nexus.locations import SERVICES_FILE, SERVICES_LOCK, Services, read_services, write_services
from nexus.locks import FileLock
from nexus.settings import Settings

SERVICE_SECONDS: Final = 30.0
API_SECONDS: Final = 60.0
READY_SECONDS: Final = 15.0
"""How long a healthy API may say "not ready" before we say so and go on."""


@dataclass(frozen=True, slots=True)
class Running:
    """What is up, for the block of text that says so."""

    settings: Settings
    services: Services
    missing: tuple[str, ...]


Announce = Callable[[Running], None]


def run_embedded(settings: Settings, *, whole: bool, say: Say, announce: Announce) -> None:
    """Run until SIGINT or SIGTERM; `whole` adds the API and the workers to the services.

    Raises:
        Conflict: another process runs the services of this data directory.
        Misconfigured: the port is taken.
        ServiceMissing: a child that is needed did not start.
    """
    lock = take_lock(settings.data)
    try:
        if whole:
            port = claim_port(settings.host, settings.port)
            settings = settings.model_copy(update={"port": port})
        asyncio.run(_until_signal(lambda kept: _stay(settings, whole, kept, announce), say))
    finally:
        (settings.data / SERVICES_FILE).unlink(missing_ok=True)
        lock.release()


def take_lock(data: Path) -> FileLock:
    """Take `<data>/services.lock` for the life of this process.

    Raises:
        Conflict: it is held; the message says by whom when that is known.
        Misconfigured: the data directory cannot be written.
    """
    lock = FileLock(data / SERVICES_LOCK)
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = lock.acquire()
    except OSError as refused:
        raise Misconfigured(
            f"the data directory {data} cannot be used: {refused.strerror}",
            hint="choose another one with --data-dir or NEXUS_DATA_DIR",
        ) from refused
    if free:
        # What a killed owner left would be believed again from now on.
        (data / SERVICES_FILE).unlink(missing_ok=True)
        return lock
    there = read_services(data)
    by = f" as process {there.pid}" if there else ""
    at = f" at {there.api_url}" if there and there.api_url else ""
    raise Conflict(
        f"Nexus already runs over {data}{by}{at}",
        hint="use that one, or stop it first; another --data-dir and --port make a second one",
    )


async def _until_signal(act: Callable[[Supervisor], Coroutine[None, None, None]], say: Say) -> None:
    """Run `act` inside a supervisor until it fails or a signal comes; a second signal kills."""
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    async with Supervisor(say) as supervisor:
        acting = asyncio.ensure_future(act(supervisor))

        def end() -> None:
            if signalled.is_set():
                say("killing what is left")
                supervisor.hurry()
                return
            signalled.set()
            say("stopping (again to kill at once)")
            acting.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, end)
        with suppress(asyncio.CancelledError):
            await acting
    say("stopped")


async def _stay(
    settings: Settings, whole: bool, supervisor: Supervisor, announce: Announce
) -> None:
    services, missing = await _start_services(settings, supervisor)
    publish(settings.data, services)
    if whole:
        services, more = await _start_nexus(settings, services, supervisor)
        missing += more
    announce(Running(settings, services, tuple(missing)))
    await asyncio.Event().wait()


async def _start_services(settings: Settings, supervisor: Supervisor) -> tuple[Services, list[str]]:
    """Start what no URL variable names; what cannot be had is listed, not fatal."""
    from nexus.cli.stack.chroma import embedded_chroma
    from nexus.cli.stack.valkey import embedded_valkey

    services = Services(settings.redis_url, settings.chroma_url, os.getpid())
    logs, missing = settings.data / "logs", []
    if not settings.redis_url:
        try:
            valkey = embedded_valkey(settings.data / "valkey", logs / "valkey.log")
            await supervisor.start([valkey.program], ready_within=SERVICE_SECONDS)
            services = replace(services, redis_url=valkey.url)
        except ServiceMissing as without:
            missing.append(f"{without.message}; {without.hint}")
    if not settings.chroma_url:
        try:
            chroma = embedded_chroma(settings.data / "chroma", logs / "chroma.log")
            await supervisor.start([chroma.program], ready_within=SERVICE_SECONDS)
            services = replace(services, chroma_url=chroma.url)
        except ServiceMissing as without:
            missing.append(f"{without.message}; {without.hint}")
    return services, missing


async def _start_nexus(
    settings: Settings, services: Services, supervisor: Supervisor
) -> tuple[Services, list[str]]:
    logs = settings.data / "logs"
    environment = environment_for(settings, settings.port)
    url = f"http://{reachable(settings.host)}:{settings.port}"
    # Workers load while the API loads: whoever comes first upgrades the schema under its lock.
    workers = worker_programs(settings, environment, logs)
    await supervisor.start(
        [api_program(url, environment, logs), *workers], ready_within=API_SECONDS
    )
    services = replace(services, api_url=url)
    publish(settings.data, services)
    if await _is_ready(url):
        return services, []
    return services, [f"the API is up but not ready: see {url}/readyz"]


async def _is_ready(url: str) -> bool:
    ready = answers_at(f"{url}/readyz")
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                if await ready():
                    return True
                await asyncio.sleep(ASK_EVERY_SECONDS)
    except TimeoutError:
        return False


def reachable(host: str) -> str:
    """Return the address a client on this machine uses for a server that listens at `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return "127.0.0.1" if address.is_unspecified else host
    return "[::1]" if address.is_unspecified else f"[{host}]"


def publish(data: Path, services: Services) -> None:
    """Write `services.json`, readable by its owner alone: it holds Valkey's password."""
    before = os.umask(0o077)
    try:
        write_services(data, services)
    finally:
        os.umask(before)
