"""docs/doctor.md: what `python -m mcp_server doctor` looks at, and every cause it can name."""

from dev.docs.table import NOTICE, table
from mcp_server.doctor.causes import CAUSES
from mcp_server.doctor.examination import STEPS

_INTRODUCTION = """\
# Why does my client not connect?

    python -m mcp_server doctor https://mcp.example.com/mcp

Give the URL exactly as people enter it in their client. The doctor walks what a client walks, step by step,
and says for everything that would stop one what it saw, why that is wrong, and what to change where. It
registers and changes nothing, follows no redirect, and waits ten seconds at most for each answer. Run it from
outside, where the clients are: most often a proxy, a firewall or a bot check in front is in the way.

It exits with 0 when no fault was found, with 1 when there is one, and with 2 when it was called wrongly.
`--json` prints the same for programs; the ids in brackets are stable.

With `--token-file FILE` (`-` reads standard input) it judges an access token too: whether it is for this
server, and whether this server takes it. The token is sent to the URL that was given and nowhere else. With
`--origin https://app.example` besides, it tries whether a client in a web page of that origin is served."""


def document() -> str:
    """Return the page."""
    steps = "\n".join(f"{number}. {step.name}" for number, step in enumerate(STEPS, 1))
    rows = [
        (f"`{cause.id}`", cause.says + (" (A warning.)" if cause.warning else ""), cause.fix)
        for cause in CAUSES.values()
    ]
    parts = [
        NOTICE.format(source="mcp_server/doctor"),
        _INTRODUCTION,
        "## The walk",
        steps,
        "## Causes",
        table(("id", "what is wrong", "what to do"), rows),
    ]
    return "\n\n".join(parts) + "\n"
