"""Both services in process behind one network, on which tests seed faults."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis

from mcp_server.app import create_app
from mcp_server.doctor.examination import examine
from mcp_server.doctor.probe import Probe
from mcp_server.doctor.walk import Result, Status
from mcp_server.sandbox.app import create_app as create_sandbox
from mcp_server.settings import McpSettings
from shared.clock import Clock
from tests.auth_server.deployment import (
    ENCRYPTION_KEY,
    ISSUER,
    OTHER_RESOURCE,
    RESOURCE,
    VAL_TOWN,
    AuthServer,
    ValTown,
    running,
    settings_of,
)
from tests.support.resource_server import until_ready

Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
Fault = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]

__all__ = [
    "ISSUER",
    "OTHER_RESOURCE",
    "RESOURCE",
    "Fault",
    "Forward",
    "Landscape",
    "causes",
    "examined",
    "open_landscape",
]


class _Network(httpx.AsyncBaseTransport):
    """Leads each host to its service."""

    def __init__(self, hosts: Mapping[str, httpx.AsyncBaseTransport]) -> None:
        self._hosts = hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer by the host's service, as from a connection: the body is still to be read."""
        if request.url.host not in self._hosts:
            raise httpx.ConnectError("nothing listens there", request=request) from ConnectionRefusedError()
        response = await self._hosts[request.url.host].handle_async_request(request)
        body = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))


class _Faulty(httpx.AsyncBaseTransport):
    """The network as the doctor meets it."""

    def __init__(self, network: httpx.AsyncBaseTransport, fault: Fault) -> None:
        self._network = network
        self._fault = fault

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with the fault."""
        return await self._fault(request, self._network.handle_async_request)


async def no_fault(request: httpx.Request, forward: Forward) -> httpx.Response:
    """Pass everything on."""
    return await forward(request)


@dataclass(frozen=True)
class Landscape:
    """What there is: both services, and the network that leads to them."""

    network: httpx.AsyncBaseTransport
    auth: AuthServer
    clock: Clock

    async def examine(
        self,
        fault: Fault = no_fault,
        *,
        url: str = RESOURCE,
        token: str = "",
        origin: str = "",
        seconds: float = 10,
    ) -> list[Result]:
        """Return what the doctor says with a fault on the way."""
        async with httpx.AsyncClient(transport=_Faulty(self.network, fault)) as http:
            return await examine(
                Probe(http, seconds=seconds), url, token=token, origin=origin, clock=self.clock.now
            )

    async def token(self, **parameters: Any) -> str:
        """Return an access token of a new client."""
        client = await self.auth.registered()
        code, pkce = await self.auth.code(client, **parameters)
        answer = await client.redeem(code, pkce.verifier, **parameters)
        return str(answer.json()["access_token"])


def causes(results: list[Result]) -> set[str]:
    """Return the ids of all that was found."""
    return {finding.cause.id for result in results for finding in result.findings}


def examined(results: list[Result]) -> set[Status]:
    """Return how the steps went."""
    return {result.status for result in results}


@asynccontextmanager
async def open_landscape(
    redis: Redis, clock: Clock, folder: Path, pem: str, **changes: Any
) -> AsyncIterator[Landscape]:
    """Run both services; `changes` are settings of mcp_server. Without its issuer it is not waited for."""
    sandbox = create_sandbox(folder)
    settings = McpSettings.model_validate(
        {
            "oauth_issuer_url": ISSUER,
            "mcp_resource_url": RESOURCE,
            "val_town_api_url": VAL_TOWN,
            "oauth_encryption_key": ENCRYPTION_KEY,
            **changes,
        }
    )
    hosts: dict[str, httpx.AsyncBaseTransport] = {}
    network = _Network(hosts)
    async with (
        running(settings_of(oauth_jwt_private_key=pem), redis, clock, ValTown(sandbox)) as auth,
        httpx.AsyncClient(transport=network) as outbound,
    ):
        hosts["auth.test"] = httpx.ASGITransport(auth.app)
        hosts["val-town.test"] = httpx.ASGITransport(sandbox)
        app = create_app(settings, redis=redis, http=outbound, clock=clock)
        async with app.router.lifespan_context(app):
            hosts["mcp.test"] = httpx.ASGITransport(app)
            if settings.oauth_enabled and "auth_server_internal_url" not in changes:
                async with httpx.AsyncClient(transport=network, base_url="https://mcp.test") as client:
                    await until_ready(client)
            yield Landscape(network, auth, clock)
    sandbox.state.store.close()


def on(host: str, path: str = "", method: str = "") -> Callable[[httpx.Request], bool]:
    """Return whether a request goes there; a path covers what begins so."""

    def matches(request: httpx.Request) -> bool:
        here = request.url.host == f"{host}.test" and request.url.path.startswith(path)
        return here and method in ("", request.method)

    return matches


def answered(where: Callable[[httpx.Request], bool], status: int, body: bytes = b"", **headers: str) -> Fault:
    """Return a fault: something else answers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if not where(request):
            return await forward(request)
        return httpx.Response(status, headers=named, stream=httpx.ByteStream(body))

    return fault


def failing(
    where: Callable[[httpx.Request], bool], error: Exception, because: Exception | None = None
) -> Fault:
    """Return a fault: no answer comes."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if where(request):
            raise error from because
        return await forward(request)

    return fault


async def hanging(request: httpx.Request, _forward: Forward) -> httpx.Response:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError(request)


def with_headers(where: Callable[[httpx.Request], bool], **changes: str | None) -> Fault:
    """Return a fault: headers of the answer are changed, or taken away with None."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        if where(request):
            for name, value in changes.items():
                response.headers.pop(name.replace("_", "-"), None)
                if value is not None:
                    response.headers[name.replace("_", "-")] = value
        return response

    return fault


def with_request_headers(where: Callable[[httpx.Request], bool], **changes: str | None) -> Fault:
    """Return a fault: headers of the request are changed, or taken away with None."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if where(request):
            for name, value in changes.items():
                request.headers.pop(name.replace("_", "-"), None)
                if value is not None:
                    request.headers[name.replace("_", "-")] = value
        return await forward(request)

    return fault


def with_status(where: Callable[[httpx.Request], bool], status: int) -> Fault:
    """Return a fault: the answer has another status."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        if where(request):
            response.status_code = status
        return response

    return fault


def with_members(where: Callable[[httpx.Request], bool], **changes: object) -> Fault:
    """Return a fault: members of the JSON document are changed, or taken away with None."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        if not where(request):
            return response
        document = {**json.loads(await response.aread()), **changes}
        left = {name: value for name, value in document.items() if value is not None}
        body = json.dumps(left).encode()
        headers = {**response.headers, "content-length": str(len(body))}
        return httpx.Response(response.status_code, headers=headers, stream=httpx.ByteStream(body))

    return fault
