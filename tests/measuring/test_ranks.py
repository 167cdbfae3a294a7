"""Reciprocal rank fusion, as searches are compared with."""

from benchmarks.memory.ranks import fuse


def test_both_orders_count_and_meaning_counts_twice() -> None:
    assert list(fuse(["a", "b"], ["b", "c"])) == ["b", "a", "c"]
    assert list(fuse(["a"], ["b"])) == ["a", "b"]
