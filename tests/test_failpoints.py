"""Failpoints do what they are told at the passing they are told, and nothing otherwise."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nexus.errors import Misconfigured, ServiceMissing
from nexus.failpoints import POINTS, arm, failpoint, read_failpoints
from tests.support.places import ROOT

PASS_THREE = """
from nexus.failpoints import failpoint
for number in range(3):
    print(number, flush=True)
    failpoint("settle.committed")
"""


def test_nothing_is_armed_by_itself() -> None:
    for name in POINTS:
        failpoint(name)


@pytest.mark.parametrize(
    "text", ["settle.committed", "settle.committed=explode", "no.such=kill", "ack.done=kill@0"]
)
def test_what_cannot_be_read_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(Misconfigured, match="NEXUS_FAILPOINTS"):
        read_failpoints(text)


@pytest.fixture
def disarmed() -> Iterator[None]:
    """Leave nothing armed behind."""
    yield
    arm("")


@pytest.mark.usefixtures("disarmed")
def test_a_point_strikes_once_at_its_passing() -> None:
    arm("ack.done=drop@2, ring.done=kill")
    failpoint("ack.done")
    with pytest.raises(ServiceMissing, match=r"ack\.done"):
        failpoint("ack.done")
    failpoint("ack.done")


def test_a_process_dies_where_it_is_told_to() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PASS_THREE],
        env={"NEXUS_FAILPOINTS": "settle.committed=kill@2", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"0\n1\n")


def test_the_page_names_every_point() -> None:
    page = (ROOT / "docs" / "guides" / "chaos.md").read_text()
    named = {name.removesuffix("…") for name in re.findall(r"`([a-z]+\.(?:…|[a-z]+))`", page)}
    short = {
        f"{name.split('.')[0]}." if name.endswith(("before_commit", "committed")) else name
        for name in POINTS
    }
    assert short <= named
