"""Real services and small tools every test may use."""
