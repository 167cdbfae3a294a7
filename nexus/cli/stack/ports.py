"""Ports of this machine: a free one on loopback, and whether one is taken."""

import errno
import socket

from nexus.errors import Misconfigured


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port nobody listens on at the moment; another process may still take it first."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def claim_port(host: str, port: int) -> int:
    """Check that `port` can be listened on; 0 chooses a free one.

    Raises:
        Misconfigured: the port is taken, not ours to use, or the address is not this machine's.
    """
    if port == 0:
        return free_port(host)
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as refused:
            raise Misconfigured(
                f"cannot listen on {host}:{port}: {_reason(refused)}",
                hint="end the other program, or choose another port with --port (0: any free one)",
            ) from refused
    return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _reason(refused: OSError) -> str:
    if refused.errno == errno.EADDRINUSE:
        return "another program uses this port"
    if refused.errno == errno.EACCES:
        return "ports below 1024 need special rights"
    return (refused.strerror or str(refused)).lower()
