"""No hostile URL reaches an address that is not public."""

import asyncio
from ipaddress import ip_address

import pytest

from nexus.errors import ToolRefused
from nexus.tools.fetch.addresses import is_public
from nexus.tools.fetch.fetcher import Fetcher, resolve_host

HOSTILE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.168.1.1/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://example.com:22/",
    "https://example.com:8443/",
    "http://user:pass@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://exam ple.com/",
    "http://example.com/\r\nX: y",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "data:text/html,x",
    "javascript:alert(1)",
    "//example.com/",
    "http:///x",
    "http://",
    "",
    "http://example.com/" + "a" * 3000,
]


async def public(host: str, port: int) -> list[str]:
    """Answer like the system for addresses, and with a public one for every name but local ones."""
    if "localhost" in host.lower() or host[0].isdigit() or ":" in host:
        return await resolve_host(host, port)
    return ["127.0.0.1"]


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(ToolRefused) as refused:
        await Fetcher(public, total_seconds=5).fetch(url)
    assert "could not be fetched" not in refused.value.message, refused.value.message
    assert "did not answer" not in refused.value.message


async def test_one_private_answer_among_public_ones_refuses_them_all() -> None:
    async def rebinding(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.8"]

    with pytest.raises(ToolRefused, match="not public"):
        await Fetcher(rebinding).fetch("http://rebind.example/")


async def test_a_slow_resolver_is_given_up() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(ToolRefused, match="did not answer"):
        await Fetcher(never, total_seconds=0.2).fetch("http://slow.example/")


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(ip_address(address))
