"""The pure vocabulary: ids, states, plans, graphs, events. Imports nothing but errors; does no I/O."""
