"""Persistence: the schema, its migrations, and the two databases behind one way of writing."""
