"""One file a fault; each is found by its `@fault` decorator."""
