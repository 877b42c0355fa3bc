"""How long a client is asked to wait when the fault is not its own."""

import secrets


def jittered() -> int:
    """Return 1 to 3 seconds at random: clients that were refused together must not all come back together."""
    return 1 + secrets.randbelow(3)
