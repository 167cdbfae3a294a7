"""Tools agents can be granted, and the walls around them."""
