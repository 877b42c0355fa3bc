"""`make storms`: many clients with one code, refresh token or assertion at once, on four replicas."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from dev.flow import Browser, OAuthClient, Pkce
from dev.mcp_messages import modern
from dev.replicas import Replicas, replicate
from dev.store import open_test_store
from dev.wire import Wire

SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"
REDEEMERS: Final = 64
REFRESHERS: Final = 50
ASSERTERS: Final = 16
AUTH_REPLICAS: Final = 4
CODES_AT_ONCE: Final = 50
"""Codes approved before they are redeemed: they live a minute."""

Answer = tuple[int, dict[str, Any]]

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(slots=True)
class Outcome:
    """What one storm came to; a violation is a sentence."""

    name: str
    rounds: int = 0
    requests: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def check(self, holds: bool, sentence: str) -> None:
        """Note a violation unless something holds."""
        if not holds:
            self.violations.append(f"round {self.rounds}: {sentence}")

    def __str__(self) -> str:
        """Return one line."""
        line = f"{self.name:<20}{self.rounds:>5} rounds{self.requests:>8} requests{self.seconds:>7.1f} s"
        return f"{line}  {len(self.violations)} violations"


@command.command()
def main(rounds: Annotated[int, typer.Option(help="Of each storm.")] = 200) -> None:
    """Run every storm; end with status 1 when anything was violated."""
    with tempfile.TemporaryDirectory() as folder, open_test_store() as store:
        typer.echo(f"store: {store.description}; {AUTH_REPLICAS} replicas of auth_server, 1 of mcp_server")
        with replicate(store.url, Path(folder), auth=AUTH_REPLICAS, mcp=1) as replicas:
            outcomes = [asyncio.run(storm(replicas, rounds)) for storm in STORMS]
    for outcome in outcomes:
        typer.echo(str(outcome))
        for violation in outcome.violations[:10]:
            typer.echo(f"  {violation}")
    if any(outcome.violations for outcome in outcomes):
        raise typer.Exit(1)


async def code_storm(replicas: Replicas, rounds: int) -> Outcome:
    """Let 64 clients redeem one code at once: one succeeds; the others were right too, so the grant ends."""
    outcome = Outcome("code storm")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        client, browser = await _client(http, replicas)
        wires = await _wires(stack, replicas, REDEEMERS)
        while outcome.rounds < rounds:
            count = min(CODES_AT_ONCE, rounds - outcome.rounds)
            forms = [await _code_form(client, browser) for _ in range(count)]
            for form in forms:
                outcome.rounds += 1
                answers = await _together(outcome, [_asking(wire, form) for wire in wires])
                issued = [body for status, body in answers if status == httpx.codes.OK]
                outcome.check(len(issued) == 1, f"{len(issued)} redeemers got tokens")
                refused = {
                    (status, body.get("error")) for status, body in answers if status != httpx.codes.OK
                }
                outcome.check(refused == {(400, "invalid_grant")}, f"refusals were {refused}")
                for body in issued:
                    await _check_dead(outcome, http, replicas, client, body)
    return outcome


async def refresh_storm(replicas: Replicas, rounds: int) -> Outcome:
    """Let 50 processes of one client refresh at once: all get one successor, and the next round uses it."""
    outcome = Outcome("refresh storm")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        client, browser = await _client(http, replicas)
        wires = await _wires(stack, replicas, REFRESHERS)
        tokens = await client.tokens(browser)
        for _ in range(rounds):
            outcome.rounds += 1
            form = _refresh_form(client, tokens)
            answers = await _together(outcome, [_asking(wire, form) for wire in wires])
            statuses = {status for status, _ in answers}
            successors = {body.get("refresh_token") for _, body in answers}
            outcome.check(statuses == {200}, f"answers were {statuses}")
            outcome.check(len(successors) == 1, f"there were {len(successors)} successors")
            outcome.check(form["refresh_token"] not in successors, "the token was not rotated")
            tokens = next((body for status, body in answers if status == httpx.codes.OK), tokens)
        # One live tip: it works, and the whole family lives on it.
        status, _ = await wires[0].ask(_refresh_form(client, tokens))
        outcome.check(status == httpx.codes.OK, f"the last successor got {status}")
    return outcome


async def vanishing_clients(replicas: Replicas, rounds: int) -> Outcome:
    """Let a client hang up right after asking, many times: asked again, it gets the one successor."""
    outcome = Outcome("vanishing clients")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        client, browser = await _client(http, replicas)
        wires = await _wires(stack, replicas, 2)
        tokens = await client.tokens(browser)
        for number in range(5 * rounds):
            outcome.rounds += 1
            form = _refresh_form(client, tokens)
            url = f"{replicas.auth[number % 2]}/oauth/token"
            began = time.perf_counter()
            await (await Wire.open(url)).vanish(form)
            status, body = await wires[number % 2].ask(form)
            status_elsewhere, again = await wires[(number + 1) % 2].ask(form)
            outcome.seconds += time.perf_counter() - began
            outcome.requests += 3
            outcome.check(
                (status, status_elsewhere) == (200, 200), f"answers were {status}, {status_elsewhere}"
            )
            same = body.get("refresh_token") == again.get("refresh_token")
            outcome.check(same, "two answers had different successors")
            tokens = body if status == httpx.codes.OK else tokens
    return outcome


async def assertion_storm(replicas: Replicas, rounds: int) -> Outcome:
    """Let one client assertion arrive many times at once: it authenticates once (RFC 7523 section 3)."""
    outcome = Outcome("assertion storm")
    key = ECKey.generate_key("P-256", {"kid": "storm"}, auto_kid=False)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        client = OAuthClient(http, replicas.issuer)
        await client.register(
            token_endpoint_auth_method="private_key_jwt", jwks=KeySet([key]).as_dict(private=False)
        )
        wires = await _wires(stack, replicas, ASSERTERS, "/oauth/introspect")
        for _ in range(rounds):
            outcome.rounds += 1
            form = _assertion_form(client, key)
            answers = await _together(outcome, [_asking(wire, form) for wire in wires])
            accepted = [status for status, _ in answers if status == httpx.codes.OK]
            outcome.check(len(accepted) == 1, f"it was accepted {len(accepted)} times")
            refused = {(status, body.get("error")) for status, body in answers if status != httpx.codes.OK}
            # Wrong assertions are limited, and a right one never waits for them.
            allowed = {(401, "invalid_client"), (429, "temporarily_unavailable")}
            outcome.check(refused <= allowed, f"refusals were {refused}")
    return outcome


STORMS: Final[Sequence[Callable[[Replicas, int], Coroutine[Any, Any, Outcome]]]] = (
    code_storm,
    refresh_storm,
    vanishing_clients,
    assertion_storm,
)


async def _together(outcome: Outcome, asks: Sequence[Callable[[], Awaitable[Answer]]]) -> list[Answer]:
    """Return the answers to requests that start at the same moment, on connections that are open already."""
    barrier = asyncio.Barrier(len(asks))

    async def one(ask: Callable[[], Awaitable[Answer]]) -> Answer:
        await barrier.wait()
        return await ask()

    began = time.perf_counter()
    answers = await asyncio.gather(*(one(ask) for ask in asks))
    outcome.seconds += time.perf_counter() - began
    outcome.requests += len(asks)
    return answers


def _asking(wire: Wire, form: Mapping[str, str]) -> Callable[[], Awaitable[Answer]]:
    return lambda: wire.ask(form)


async def _client(http: httpx.AsyncClient, replicas: Replicas) -> tuple[OAuthClient, Browser]:
    client = OAuthClient(http, replicas.issuer)
    await client.register(token_endpoint_auth_method="none")
    return client, Browser(http, SANDBOX_TOKEN)


async def _wires(
    stack: AsyncExitStack, replicas: Replicas, count: int, path: str = "/oauth/token"
) -> list[Wire]:
    """Return open connections to an endpoint of all replicas in turn."""
    wires = []
    for number in range(count):
        wire = await Wire.open(f"{replicas.auth[number % len(replicas.auth)]}{path}")
        stack.callback(wire.close)
        wires.append(wire)
    return wires


async def _code_form(client: OAuthClient, browser: Browser) -> dict[str, str]:
    pkce = Pkce.new()
    callback = await browser.approve(client.authorize_url(pkce))
    return {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "code": callback.parameters["code"],
        "code_verifier": pkce.verifier,
        "redirect_uri": client.redirect_uri,
    }


def _refresh_form(client: OAuthClient, tokens: Mapping[str, Any]) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "client_id": client.client_id,
        "refresh_token": str(tokens["refresh_token"]),
    }


def _assertion_form(client: OAuthClient, key: ECKey) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + 60,
    }
    return {
        "token": "none",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode({"alg": "ES256", "kid": "storm"}, claims, key),
    }


async def _check_dead(
    outcome: Outcome,
    http: httpx.AsyncClient,
    replicas: Replicas,
    client: OAuthClient,
    issued: Mapping[str, Any],
) -> None:
    """Check that what the one success issued is revoked: the code was replayed by somebody who had it all."""
    refreshed = await client.refresh(str(issued["refresh_token"]))
    outcome.check(refreshed.status_code == 400, f"its refresh token got {refreshed.status_code}")
    deadline = time.monotonic() + 1.0
    while True:
        called = await modern("tools/list").send(http, f"{replicas.mcp[0]}/mcp", issued["access_token"])
        if called.status_code == 401 or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.01)
    outcome.check(called.status_code == 401, f"its access token got {called.status_code} after a second")


if __name__ == "__main__":
    command()
