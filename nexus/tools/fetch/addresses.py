"""Which addresses a fetch may connect to: global unicast only, seen through every disguise.

Python's `is_global` alone is not enough: it has gaps between versions, and it takes an IPv4
address inside an IPv6 one at face value.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from nexus.errors import ToolRefused

Address = IPv4Address | IPv6Address

_REFUSED: Final = tuple(
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",  # Azure's metadata and DNS, public by its number only
        # Teredo, ORCHID, benchmarking; documentation; 6to4; SRv6
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
    )
)
_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOOKS_NUMERIC: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?$", re.IGNORECASE)


def is_public(address: Address) -> bool:
    """Tell whether `address` is a global unicast address, itself and what it carries inside."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _UNICAST:
            return False
    if any(address.version == block.version and address in block for block in _REFUSED):
        return False
    return address.is_global and not address.is_multicast


def parse(text: str) -> Address:
    """Return the address a resolver gave.

    Raises:
        ToolRefused: it is not an address, or one of a single link only.
    """
    try:
        address = ip_address(text)
    except ValueError:
        raise ToolRefused(f"the host's name leads to {text!r}, which is not an address") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ToolRefused("the host's address is one of a local link")
    return address


def check_host(host: str) -> None:
    """Refuse hosts that are numbers in disguise: decimal, hex, octal and shortened addresses.

    Raises:
        ToolRefused: `host` is neither a name nor an address in its usual form.
    """
    if not host or len(host) > 253 or "%" in host:
        raise ToolRefused("the URL has no usable host")
    if ":" in host:
        return
    if _LOOKS_NUMERIC.match(host.rsplit(".", 1)[-1] or host.rstrip(".").rsplit(".", 1)[-1]):
        try:
            IPv4Address(host)
        except ValueError:
            raise ToolRefused(
                f"the host {host!r} is a number in disguise; write the site's name"
            ) from None
