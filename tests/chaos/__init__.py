"""Faults done on purpose to a whole installation, and what must hold after each of them."""
