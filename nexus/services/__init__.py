"""What the API offers, one act a function: checks the rule, calls the engine or reads."""
