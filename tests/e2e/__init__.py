"""The product as its users run it: real processes, HTTP, Redis, and a model on a socket."""
