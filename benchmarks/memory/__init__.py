"""Measures memory: what searches find, how quickly, and how quickly documents go in."""
