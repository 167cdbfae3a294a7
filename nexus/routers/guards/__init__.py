"""What every request passes before a route sees it: plain ASGI, from the outside in."""
