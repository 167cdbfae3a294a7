"""Rules about the code itself: sizes, names, imports, and documents that must equal the code."""
