"""`nexus services` and `nexus up` as processes of their own, over a real Valkey."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import AuthenticationError, Redis
from redis import ConnectionError as RedisConnectionError

from nexus.locations import read_services
from tests.cli.processes import is_alive, until_now

NOWHERE = "http://127.0.0.1:9"
"""A Chroma that is somebody else's: none is started."""


def start(data: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a nexus command over a data directory."""
    return subprocess.Popen(
        [sys.executable, "-m", "nexus", *arguments, "--data-dir", str(data)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NEXUS_CHROMA_URL": NOWHERE, **environment},
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for the end; return the exit code and what was written."""
    _, words = process.communicate(timeout=30)
    return process.returncode, words


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def running(data: Path) -> Iterator["subprocess.Popen[str]"]:
    process = start(data, "services")
    until_now(lambda: process.poll() is not None or read_services(data) is not None)
    yield process
    process.kill()
    process.communicate()


def connect(data: Path) -> Redis:
    services = read_services(data)
    assert services is not None
    assert services.redis_url is not None
    return Redis.from_url(services.redis_url, decode_responses=True)


def valkey_pid(data: Path) -> int:
    with connect(data) as client:
        return int(client.info("server")["process_id"])


def test_valkey_answers_durably_and_only_with_its_password(
    running: "subprocess.Popen[str]", data: Path
) -> None:
    with connect(data) as client:
        assert client.ping()
        settings = client.config_get("append*", "maxmemory-policy", "save")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    services = read_services(data)
    assert services is not None
    url = str(services.redis_url)
    with (
        Redis.from_url(f"redis://{url.rpartition('@')[2]}") as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.ping()


def test_what_holds_the_password_is_private(running: "subprocess.Popen[str]", data: Path) -> None:
    for place in (data / "services.json", data / "valkey" / "valkey.conf"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    password = json.loads((data / "services.json").read_text())["redis_url"].split("@")[0][9:]
    listed = Path(f"/proc/{valkey_pid(data)}/cmdline")
    assert len(password) > 30
    assert not listed.exists() or password not in listed.read_text()


def test_sigterm_ends_all_in_order_with_exit_code_0(
    running: "subprocess.Popen[str]", data: Path
) -> None:
    valkey = valkey_pid(data)
    running.send_signal(signal.SIGTERM)
    code, words = finish(running)
    assert code == 0, words
    assert words.splitlines()[-1] == "nexus: stopped"
    assert not is_alive(valkey)
    assert not (data / "services.json").exists()


def test_kill_9_leaves_no_valkey_and_a_new_start_keeps_its_data(
    running: "subprocess.Popen[str]", data: Path
) -> None:
    with connect(data) as client:
        client.set("kept", "yes")
        # everysec is the promise; ask for it now rather than wait a second.
        client.execute_command("WAITAOF", "1", "0", "0")
    valkey = valkey_pid(data)
    running.kill()
    running.wait()
    until_now(lambda: not is_alive(valkey))
    assert read_services(data) is None
    again = start(data, "services")
    try:
        until_now(lambda: again.poll() is not None or read_services(data) is not None)
        with connect(data) as client:
            assert client.get("kept") == "yes"
    finally:
        again.send_signal(signal.SIGINT)
        assert finish(again)[0] == 0


def test_a_killed_valkey_comes_back_at_the_same_address(
    running: "subprocess.Popen[str]", data: Path
) -> None:
    before = valkey_pid(data)
    os.kill(before, signal.SIGKILL)
    until_now(lambda: not is_alive(before))

    def is_back() -> bool:
        try:
            return valkey_pid(data) != before
        except RedisConnectionError:
            return False

    until_now(is_back)


def test_a_second_start_on_the_same_data_directory_is_refused(
    running: "subprocess.Popen[str]", data: Path
) -> None:
    code, words = finish(start(data, "services"))
    assert code == 1
    assert words.splitlines() == [
        f"nexus: Nexus already runs over {data} as process {running.pid}",
        "  use that one, or stop it first; another --data-dir and --port make a second one",
    ]


def test_a_url_variable_means_that_service_is_not_started(data: Path) -> None:
    process = start(data, "services", NEXUS_REDIS_URL="redis://127.0.0.1:9/0")
    try:
        until_now(lambda: process.poll() is not None or read_services(data) is not None)
        assert not (data / "valkey").exists()
        assert not (data / "chroma").exists()
    finally:
        process.send_signal(signal.SIGTERM)
        assert finish(process)[0] == 0


def test_a_port_in_use_is_said_before_anything_starts(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = finish(start(data, "up", "--port", str(port), "--model", "offline"))
    assert code == 1
    assert words.splitlines()[0] == (
        f"nexus: cannot listen on 127.0.0.1:{port}: another program uses this port"
    )
    assert not (data / "valkey").exists()
