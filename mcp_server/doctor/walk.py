"""The walk: steps in the order in which a client takes them, and what each of them found."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mcp_server.doctor.causes import CAUSES, Cause
from mcp_server.doctor.probe import Answer, Probe, printable

DAY: Final = 86_400
"""In seconds."""

_OFF: Final = "oauth_not_enabled"
_BEHIND_A_PROXY: Final = (502, 503, 504, 521, 522, 523, 524)


class Status(Enum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause, and what shows it."""

    cause: Cause
    evidence: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a step found. `said` sums it up where nothing was found, or says why it was skipped."""

    step: str
    status: Status
    said: str
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class Walk:
    """What is known so far.

    Attributes:
        probe: asks.
        url: the MCP URL, as people enter it.
        token: an access token to judge, if there is one.
        now: returns the time here, in seconds since the epoch.
        origin: of a web page whose client is to connect, if there is one.
        challenged: whether the server's own challenge was seen.
        metadata_url: of the resource, as the challenge names it.
        issuer: as the resource names it.
        metadata: of the authorization server.
        key_ids: of its keys.
    """

    probe: Probe
    url: str
    token: str
    now: Callable[[], float]
    origin: str = ""
    challenged: bool = False
    metadata_url: str = ""
    issuer: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    key_ids: frozenset[str] = frozenset()

    def endpoint(self, name: str) -> str:
        """Return an endpoint of the metadata; empty, when they have none."""
        value = self.metadata.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        name: what people read.
        run: finds causes; sums up what is well.
        needs: without this (`Walk` says so) there is nothing to look at.
        blocks: whether nothing after it makes sense when it found a fault.
    """

    name: str
    run: Callable[[Walk], Awaitable["Seen"]]
    needs: Callable[[Walk], str] = lambda _walk: ""
    blocks: bool = False


@dataclass(slots=True)
class Seen:
    """What a step has seen: findings, and a word on what is well."""

    said: str = ""
    findings: list[Finding] = field(default_factory=list)

    def add(self, cause: str, evidence: str) -> "Seen":
        """Add a finding; return itself."""
        self.findings.append(Finding(CAUSES[cause], printable(evidence)))
        return self

    def add_if(self, condition: bool, cause: str, evidence: str) -> None:
        """Add a finding, if there is reason."""
        if condition:
            self.add(cause, evidence)


async def take(walk: Walk, steps: Sequence[Step]) -> list[Result]:
    """Take the steps; return what each of them found. What hangs on a step that failed is skipped."""
    results: list[Result] = []
    blocked = ""
    for step in steps:
        reason = f"because of: {blocked}" if blocked else step.needs(walk)
        if reason:
            results.append(Result(step.name, Status.SKIPPED, reason))
            continue
        result = _judge(step, await step.run(walk))
        results.append(result)
        if step.blocks and result.status is Status.FAULT:
            blocked = step.name
    return results


def _judge(step: Step, seen: Seen) -> Result:
    if any(not finding.cause.warning for finding in seen.findings):
        status = Status.FAULT
    else:
        status = Status.WARNING if seen.findings else Status.OK
    return Result(step.name, status, printable(seen.said), tuple(seen.findings))


def obstacle(answer: Answer) -> str:
    """Return the id of what keeps an answer from being the server's own; empty, when it seems to be."""
    if answer.failure:
        return answer.failure
    if answer.is_redirect:
        return "redirected"
    if answer.status in _BEHIND_A_PROXY:
        ours = answer.is_json and bool(answer.document())
        return "not-ready" if ours and answer.status == 503 else "proxy-without-server"
    if answer.is_json and answer.document().get("error") == _OFF:
        return "oauth-off"
    return "page-in-the-way" if answer.is_page else ""


def max_age(answer: Answer) -> int:
    """Return for how many seconds an answer may be kept; 0, when it does not say so (RFC 9111)."""
    longest = 0
    for part in str(answer.headers.get("cache-control", "")).split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() in ("max-age", "s-maxage"):
            longest = max(longest, _number(value))
    return longest


def seconds(answer: Answer, header: str) -> int:
    """Return the seconds that a header names; 0, when it names none."""
    return _number(str(answer.headers.get(header, "")))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
