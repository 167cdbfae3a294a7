"""Readers of formats that may be hostile; they run in a process of their own (`__main__`)."""
