"""How long we wait for a store, and how many connections are opened: the same for every kind of store."""

from typing import Any, Final

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from shared.redis import closed_transport, unsent

closed_transport.install()
unsent.install()

MAX_CONNECTIONS: Final = 32
CONNECT_SECONDS: Final = 0.25
REPLY_SECONDS: Final = 0.4
POOL_WAIT_SECONDS: Final = 0.25

WAIT_MILLISECONDS: Final = 200
"""How long replicas may take to confirm a write.

A store looks at its waiting clients ten times a second, so it may answer 100 ms late: REPLY_SECONDS must be
longer by 150 ms at least.
"""


def options() -> dict[str, Any]:
    """Return what every connection is made with.

    No command is retried: a script that timed out may have run.
    """
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": REPLY_SECONDS,
        "decode_responses": True,
        "protocol": 3,
        # With these notifications on, the default, redis-py takes any idle connection for a good one.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def no_retry() -> Retry:
    """Return redis-py's word for trying nothing twice."""
    return Retry(NoBackoff(), 0)
