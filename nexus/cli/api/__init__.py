"""The command line's way to a running installation: finding it, asking it, following it."""
