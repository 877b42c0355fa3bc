"""What each client is put through, phase by phase, and what came of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import httpx

from dev.environment import SANDBOX_TOKENS
from dev.flow import FlowError
from dev.interop import evidence
from dev.interop.driver import Driver, DriverError, drive
from dev.interop.evidence import STEP_UP_SCOPE, Seen, UnprovedError
from dev.interop.matrix import Case, Registration
from dev.interop.packages import Packages
from dev.interop.stack import EXPIRES_WITHIN, Stack
from dev.processes import free_port

REPLICAS: Final = frozenset((is_mcp, number) for is_mcp in (False, True) for number in (0, 1))
_TOOL: Final = "list_my_vals"
_HERS: Final = "hello-http"
_STEP_UP_TOOL: Final = "get_me"
_STEP_UP_RESOURCE: Final = "valtown://me"


class Phase(StrEnum):
    """A phase; the value is its column's head."""

    CONNECT = "connect"
    LIST = "list tools"
    CALL = "call a tool"
    REFRESH = "refresh after expiry"
    STEP_UP = "step up"
    REVOKED = "after revocation"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a phase went.

    Attributes:
        works: the client says so, and the wire shows it.
        reason: otherwise what the client said, or what the wire did not show.
        expected: this client cannot do it, as far as is known.
    """

    works: bool
    reason: str = ""
    expected: bool = False


@dataclass
class Result:
    """How a case went, phase by phase; phases that were not reached are not there."""

    case: Case
    findings: dict[Phase, Finding] = field(default_factory=dict)
    replicas: set[evidence.Replica] = field(default_factory=set)

    @property
    def as_it_must_be(self) -> bool:
        """Whether all went well that can, and every replica had a part in it."""
        if any(not finding.works and not finding.expected for finding in self.findings.values()):
            return False
        return not self.findings[Phase.CONNECT].works or self.replicas == REPLICAS


class FailedError(Exception):
    """The client says that it did not work."""


class CannotError(Exception):
    """The client cannot do it, and says so itself."""


@dataclass
class Trial:
    """One case under way."""

    stack: Stack
    driver: Driver
    result: Result
    known_as: str | None
    seen: Seen = field(default_factory=lambda: Seen(()))

    @property
    def is_connected(self) -> bool:
        """Whether there is anything to go on with."""
        return self.result.findings[Phase.CONNECT].works

    @property
    def _no_step_up(self) -> str | None:
        case = self.result.case
        return case.client.no_step_up.get(case.registration)

    async def connect(self) -> None:
        """Connect for the first time; the person does not grant everything."""
        self.driver.person.untick = frozenset({STEP_UP_SCOPE})
        await self._done("connect")
        self.driver.person.untick = frozenset()
        evidence.connected(self.look(), self.result.case, self.known_as)

    async def list_tools(self) -> None:
        """List tools: those that the grant opens are there."""
        answer = await self._done("list")
        if _TOOL not in answer["tools"]:
            raise UnprovedError(f"{_TOOL} was not listed")

    async def call(self) -> None:
        """Call a tool, which answers about the right person."""
        await self._ask()

    async def refresh(self) -> None:
        """Go on after the access token has expired."""
        await self._ask()
        evidence.refreshed(self.look())

    async def step_up(self) -> None:
        """Call a tool whose scope was not granted."""
        try:
            await self._reach_further()
        except FailedError as error:
            sent = evidence.why_not_stepped_up(self.look())
            raise FailedError("; ".join(filter(None, (str(error), sent, self._no_step_up)))) from None
        evidence.stepped_up(self.look())
        if self._no_step_up:
            raise UnprovedError("it steps up after all, and is listed as a client that does not")

    async def after_revocation(self) -> None:
        """Go on after the grant was taken back: the person is asked again."""
        await self.stack.revoke(self.seen.grant_id, self.seen.token)
        self.stack.forget()
        await self._ask()
        evidence.authorized_again(self.look())

    def look(self) -> Seen:
        """Return what the proxies have seen in this phase."""
        return Seen(self.stack.seen)

    async def run(self, phase: Phase, does: Callable[["Trial"], Awaitable[None]]) -> None:
        """Run one phase, and note how it went."""
        self.stack.forget()
        try:
            await does(self)
        except CannotError as error:
            finding = Finding(False, str(error), expected=True)
        except FailedError as error:
            expected = phase is Phase.STEP_UP and self._no_step_up is not None
            finding = Finding(False, str(error), expected)
        except (UnprovedError, DriverError, FlowError, httpx.HTTPError) as error:
            finding = Finding(False, str(error) or type(error).__name__)
        else:
            finding = Finding(True)
        self.result.findings[phase] = finding
        seen = self.look()
        self.result.replicas |= evidence.replicas_used(seen)
        if seen.token:
            self.seen = seen

    async def _reach_further(self) -> None:
        called = await self.driver.do("call", tool=_STEP_UP_TOOL, arguments={})
        if called["ok"]:
            return
        if not self.result.case.client.steps_up_by_resource:
            raise FailedError(called["error"])
        read = await self.driver.do("read", uri=_STEP_UP_RESOURCE)
        if not read["ok"]:
            raise FailedError(f"a tool: {called['error']} A resource: {read['error']}")

    async def _ask(self) -> None:
        answer = await self._done("call", tool=_TOOL, arguments={})
        if _HERS not in json.dumps(answer["result"]):
            raise UnprovedError(f"{_TOOL} did not show the person's vals")

    async def _done(self, what: str, **details: Any) -> Mapping[str, Any]:
        answer = await self.driver.do(what, **details)
        if not answer["ok"]:
            raise (CannotError if answer.get("cannot") else FailedError)(answer["error"])
        return answer


_BEFORE_EXPIRY: Final = {
    Phase.CONNECT: Trial.connect,
    Phase.LIST: Trial.list_tools,
    Phase.CALL: Trial.call,
}
_AFTER_EXPIRY: Final = {
    Phase.REFRESH: Trial.refresh,
    Phase.STEP_UP: Trial.step_up,
    Phase.REVOKED: Trial.after_revocation,
}


async def try_all(cases: Sequence[Case], stack: Stack, packages: Packages) -> AsyncIterator[Result]:
    """Run cases one after another, all up to the expiry of the access token, then all from there on."""
    async with AsyncExitStack() as opened:
        trials = [await _begin(case, stack, packages, opened) for case in cases]
        for trial in trials:
            await _go_through(trial, _BEFORE_EXPIRY)
        if any(trial.is_connected for trial in trials):
            await asyncio.sleep(EXPIRES_WITHIN)
        for trial in trials:
            await _go_through(trial, _AFTER_EXPIRY)
            yield trial.result


async def _begin(case: Case, stack: Stack, packages: Packages, opened: AsyncExitStack) -> Trial:
    setup: dict[str, Any] = {"url": stack.url, "era": case.era}
    setup["redirect_uri"] = case.client.redirect_uri(free_port())
    known_as = None
    if case.registration is Registration.PRE_REGISTERED:
        setup |= await stack.register(case)
        known_as = setup["client_id"]
    elif case.registration is Registration.DOCUMENT:
        setup["document_url"] = known_as = case.client.document_url
    home = stack.folder / str(case).replace(", ", "-").replace(" ", "-")
    home.mkdir()
    command = packages.command(case.client.driver)
    driver = await opened.enter_async_context(drive(command, home, SANDBOX_TOKENS[0], setup))
    return Trial(stack, driver, Result(case), known_as)


async def _go_through(trial: Trial, phases: Mapping[Phase, Callable[[Trial], Awaitable[None]]]) -> None:
    for phase, does in phases.items():
        if phase is not Phase.CONNECT and not trial.is_connected:
            return
        await trial.run(phase, does)
