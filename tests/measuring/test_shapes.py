"""The graphs that are measured are those the figures are compared by."""

import pytest

from benchmarks.shapes import WHOLE, Step, chain, critical_path, fan_out


def test_a_chain_is_as_long_as_all_its_steps() -> None:
    shape = chain(3)
    assert [step.after for step in shape] == [(), ("t0",), ("t1",)]


def test_a_fan_out_waits_for_all_its_steps() -> None:
    shape = fan_out(4, 1.0)
    assert len(shape) == 6
    assert shape[-1].after == ("m0", "m1", "m2", "m3")
    assert critical_path(shape) == 1.0


def test_the_longest_way_counts() -> None:
    shape = (Step("a", (), 1.0), Step("b", (), 2.0), Step("c", ("a", "b"), 0.5))
    assert critical_path(shape) == 2.5


def test_the_graph_is_the_one_that_punishes_waiting_for_layers() -> None:
    shape = WHOLE.shape("w4")
    layers = [shape[at : at + 20] for at in range(0, 200, 20)]
    by_layers = sum(max(step.seconds for step in layer) for layer in layers)
    assert all(len(step.after) == 2 for step in shape[20:])
    assert by_layers / critical_path(shape) == pytest.approx(1.119, abs=0.001)
