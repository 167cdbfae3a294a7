"""`python -m nexus`: the command line."""

from nexus.cli.app import main

if __name__ == "__main__":
    main()
