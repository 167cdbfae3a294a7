"""Waking readers of a project history across processes."""
