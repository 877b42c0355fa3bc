"""The whole examination: every step, in order."""

from collections.abc import Callable
from typing import Final

from mcp_server.doctor import issuer_steps, resource_steps, token_steps
from mcp_server.doctor.probe import Probe, now
from mcp_server.doctor.walk import Result, Walk, take

STEPS: Final = (
    resource_steps.REACH,
    resource_steps.CHALLENGE,
    resource_steps.RESOURCE_METADATA,
    issuer_steps.METADATA,
    issuer_steps.KEYS,
    issuer_steps.REGISTRATION,
    issuer_steps.AUTHORIZE,
    issuer_steps.TOKEN,
    resource_steps.AGENTS,
    resource_steps.BAD_TOKEN,
    resource_steps.BROWSERS,
    resource_steps.SLASH,
    token_steps.CLOCK,
    token_steps.OWN_TOKEN,
)


async def examine(
    probe: Probe, url: str, *, token: str = "", origin: str = "", clock: Callable[[], float] = now
) -> list[Result]:
    """Return what each step found.

    Args:
        probe: asks.
        url: the MCP URL, as people enter it.
        token: an access token to judge; it is sent to this URL alone.
        origin: of a web page whose client is to connect with that token.
        clock: returns seconds since the epoch.
    """
    return await take(Walk(probe, url, token, clock, origin), STEPS)
