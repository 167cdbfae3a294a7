"""How the command line shows a run: its state, the live tree, plain lines, the deliverable."""
