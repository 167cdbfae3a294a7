"""Where code written by a model runs: real CPython behind bubblewrap, or the monty interpreter."""
