"""Benchmarks of Nexus as it is installed, beside other engines doing the same work."""
