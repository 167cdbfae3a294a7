"""Nexus AI: plans a goal into a graph of tasks and runs it on durable workers."""

__version__ = "0.1.0"
