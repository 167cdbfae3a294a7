"""How the embedded Chroma server is started; the supervisor runs it, nothing here does."""

import importlib.util
import sys
from pathlib import Path
from typing import Final

# Chroma's server is the Rust library alone. Its `chroma` script imports the whole Python
# package first: 115 MB and 0.6 s or more, against 40 MB and 0.1 s.
_LIBRARY: Final = "chromadb_rust_bindings"
_START: Final = f"import sys, {_LIBRARY}; {_LIBRARY}.cli(['chroma', *sys.argv[1:]])"


def server_installed() -> bool:
    """Say whether this Python has Chroma's server; the thin client package has not."""
    return importlib.util.find_spec(_LIBRARY) is not None


def chroma_command(port: int, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Give the command line and the environment variables to add for a server on loopback.

    It ends on SIGTERM, cleanly. Its log goes to standard output, warnings and errors only
    after a banner.

    Args:
        port: a free port; 0 is not understood.
        folder: where it keeps its data; made when missing.
    """
    argv = [sys.executable, "-P", "-c", _START]
    argv += ["run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
    return argv, {"ANONYMIZED_TELEMETRY": "FALSE", "RUST_LOG": "warn", "NO_COLOR": "1"}
