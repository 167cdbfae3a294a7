"""The tools that are always there; each file holds those of one subject."""
