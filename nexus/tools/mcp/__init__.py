"""Tools of servers that speak the Model Context Protocol, as `<data>/mcp.toml` grants them."""
