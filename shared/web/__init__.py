"""ASGI middleware and routes both services run. Pure ASGI: a client's disconnect must reach the handler."""
