"""Agents: what they are given, how they are declared, and the built-in seven."""
