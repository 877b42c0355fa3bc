"""What to ask when a record is not there: whether the store still is the one it was.

A store that was emptied has no client and no grant. Told so, clients would throw good credentials away; the
check raises instead, which becomes 503.
"""

from collections.abc import Awaitable, Callable

OnMiss = Callable[[], Awaitable[None]]


async def nothing_to_check() -> None:
    """Take every miss for what it seems."""
