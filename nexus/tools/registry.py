"""Every tool there is, by name: the built-in ones and those that plugins registered."""

from collections.abc import Mapping
from types import MappingProxyType

from nexus.tools.builtin import code, delegation, files, people, recall, tables, web
from nexus.tools.spec import Caution, ToolSpec, registered, tool

__all__ = ["BUILTIN", "Caution", "ToolSpec", "plugin_tools", "tool", "tools"]

BUILTIN = (
    code.run_python,
    files.read_file,
    files.write_file,
    files.list_files,
    web.fetch_url,
    web.search_web,
    recall.search_memory,
    recall.save_memory,
    tables.profile_table,
    tables.query_table,
    tables.draw_chart,
    people.ask_person,
    delegation.delegate,
)


def tools() -> Mapping[str, ToolSpec]:
    """Return the tools of this process, in the order they were registered."""
    return MappingProxyType(registered)


def plugin_tools() -> tuple[str, ...]:
    """Name the tools that plugins registered."""
    builtin = {function.__name__ for function in BUILTIN}
    return tuple(name for name in registered if name not in builtin)
