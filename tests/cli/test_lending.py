"""`nexus doctor` says of every server in mcp.toml what it lends, or why it cannot be used."""

import json
import sys
from pathlib import Path

from nexus.cli.lending import examine_servers
from nexus.settings import read_settings

SERVERS = f"""
[servers.time]
command = {json.dumps(sys.executable)}
args = ["-m", "mcp_server_time"]
agents = ["research", "data"]

[servers.broken]
command = {json.dumps(sys.executable)}
args = ["-c", "raise SystemExit('no licence')"]
agents = []
"""


def test_every_server_is_tried(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path)
    assert examine_servers(settings) == []
    (tmp_path / "mcp.toml").write_text(SERVERS)
    time, broken = examine_servers(settings)
    assert (time.subject, time.state) == ("mcp time", "ok")
    assert time.detail == "2 tools over stdio, lent to research, data"
    assert (broken.subject, broken.state) == ("mcp broken", "missing")
    assert "no licence" in broken.detail


def test_a_file_that_says_something_impossible_is_broken(tmp_path: Path) -> None:
    (tmp_path / "mcp.toml").write_text("[servers.time]\nagents = []\n")
    (finding,) = examine_servers(read_settings(data_dir=tmp_path))
    assert (finding.subject, finding.state) == ("mcp.toml", "broken")
    assert "servers.time" in finding.detail
