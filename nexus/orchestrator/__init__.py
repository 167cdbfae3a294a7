"""The engine: dispatch, queue, claims, the seam, settlement, recovery."""
