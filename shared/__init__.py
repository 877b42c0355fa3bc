"""What crosses between the two services, and nothing else.

A module lives here when both services need it to agree (errors, policy, token claims, revocation, sealed
credentials) or when both really run it (Redis connection, Val Town client, settings, logs, ASGI middleware).
What only one service uses lives in that service. This package imports neither of them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Import something as where this package is not installed."""
    hidden = {known: module for known, module in sys.modules.items() if known == name}
    sys.modules[name] = None  # type: ignore[assignment] # the import system's own way of saying so
    try:
        yield
    finally:
        del sys.modules[name]
        sys.modules.update(hidden)


# They take along what is installed for somebody else, for uses that nothing here makes of it: 5 MB of each
# process and 0.2 s of each start.
with _without("opentelemetry.sdk.metrics"):
    import redis  # noqa: F401
with _without("rich"):
    import httpx  # noqa: F401
    import structlog  # noqa: F401
