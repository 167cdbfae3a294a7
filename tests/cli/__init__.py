"""The command line: the embedded stack with real children, the client, what is shown."""
