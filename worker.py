"""Runs one worker: `python worker.py`."""

from nexus.worker import main

if __name__ == "__main__":
    main()
