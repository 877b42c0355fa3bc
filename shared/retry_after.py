"""How long a client is asked to wait when the fault is not its own."""

import secrets


def jittered(most: int = 3) -> int:
    """Return 1 to `most` seconds at random: who was refused together must not come back together."""
    return 1 + secrets.randbelow(most)
