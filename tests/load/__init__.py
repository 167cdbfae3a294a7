"""Figures, not verdicts: programs that put a load on a real installation and print what it took."""
