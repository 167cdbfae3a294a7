"""Documents turned into passages, stored in Chroma, found again."""
