"""The drivers of the benchmarks run, and their arithmetic is right."""
