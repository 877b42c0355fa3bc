"""docs/interop.md: what each client can do with our servers, and why not where it cannot."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dev.deployment import ROOT
from dev.docs.table import table
from dev.interop.foreign import Verdict
from dev.interop.matrix import CLIENTS
from dev.interop.packages import Packages
from dev.interop.phases import Phase, Result

PAGE: Final = ROOT / "docs" / "interop.md"

_HEADER: Final = """\
<!-- Made by `make interop`. -->

# Interoperability

Real clients, as their registries have them, against two replicas of each service. Two proxies send
each request to the next replica, so that no two requests of a client reach the same one in a row. A
script is the person at the browser. Access tokens live for seconds, so that they do expire.

A cell says yes when the client got what it asked for and the requests on the wire show it:

* **connect**: refused with a challenge, metadata read, a code redeemed by the client that it is known as, and
  a message of that era answered;
* **list tools** and **call a tool**: the tool is listed, and answers about the person who signed in;
* **refresh after expiry**: the same session goes on with a refresh token, and nobody is asked;
* **step up**: the first consent leaves out `user:read`; what needs it is refused with 403, the person is
  asked for it, and it works. The Inspector reads a resource for that: it calls no tool that is not listed;
* **after revocation**: the operator takes the grant back; the client is refused, asks the person again, and
  goes on.

`make interop` makes this page; `make interop ARGS="ts-v2 mcp-remote"` runs some of the clients and
writes nothing.
"""
_FOREIGN: Final = """\
## Other resource servers

Servers that are not ours, named in `OAUTH_RESOURCES`: they find the keys through our metadata. The Python SDK
connects through their metadata and ours, and calls a tool; the numbers are the HTTP statuses of one request
with a token.

They have to name the issuer as it is written. `AnyHttpUrl` adds a slash to it, and clients that compare the
issuer as RFC 8414 wants it refuse that; `dev/interop/drivers/foreign_fastmcp.py` shows how to keep it away.
"""
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_LONGEST: Final = 400


@dataclass
class _Notes:
    """Numbered reasons; the same reason has one number."""

    reasons: list[str] = field(default_factory=list)

    def number(self, reason: str) -> int:
        """Return the number of a reason."""
        told = _ADDRESS.sub("http://127.0.0.1", " ".join(reason.split()))[:_LONGEST]
        if told not in self.reasons:
            self.reasons.append(told)
        return self.reasons.index(told) + 1

    def __str__(self) -> str:
        """Return the list."""
        return "\n".join(f"{number}. {reason}" for number, reason in enumerate(self.reasons, 1))


def write(results: Sequence[Result], verdicts: Sequence[Verdict], packages: Packages) -> None:
    """Write the page."""
    notes = _Notes()
    rows = table(("client", "registration", "era", *Phase), [_row(result, notes) for result in results])
    versions = table(("client", "package", "version"), _versions(packages))
    parts = [_HEADER, f"## Clients\n\n{versions}\n", f"## Results\n\n{rows}\n"]
    if notes.reasons:
        parts.append(f"Why not, in the client's own words and by what it sent:\n\n{notes}\n")
    parts.append(f"{_FOREIGN}\n{_foreign(verdicts, packages)}\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _row(result: Result, notes: _Notes) -> tuple[str, ...]:
    case = result.case
    return case.client.title, case.registration, case.era, *(_cell(result, phase, notes) for phase in Phase)


def _cell(result: Result, phase: Phase, notes: _Notes) -> str:
    finding = result.findings.get(phase)
    if finding is None:
        return ""
    return "yes" if finding.works else f"no ({notes.number(finding.reason)})"


def _versions(packages: Packages) -> Iterable[tuple[str, str, str]]:
    for client in CLIENTS:
        yield client.title, f"`{client.package}`", packages.version(client.package)


def _foreign(verdicts: Sequence[Verdict], packages: Packages) -> str:
    header = (
        "server",
        "version",
        "a client works",
        "its tokens",
        "tokens for our mcp_server",
        "its tokens at ours",
    )
    return table(header, [_verdict(verdict, packages) for verdict in verdicts])


def _verdict(verdict: Verdict, packages: Packages) -> tuple[str, ...]:
    statuses = (verdict.right_token, verdict.wrong_token, verdict.its_token)
    works = "yes" if verdict.works else f"no: {verdict.reason}"
    return verdict.server.guard, packages.version(verdict.server.package), works, *map(str, statuses)
