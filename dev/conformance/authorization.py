"""The suite's scenarios for authorization servers, against the services as `make run` starts them."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Final

import httpx

from dev.conformance.suite import Outcome, run
from dev.deployment import Deployment, deploy
from dev.environment import SANDBOX_TOKENS
from dev.flow import Browser, OAuthClient
from dev.processes import free_port
from dev.store import open_test_store

_ASKED_FOR: Final = re.compile(r"https?://\S+/oauth/authorize\?\S+")
_STEP_SECONDS: Final = 10.0


def run_authorization_scenarios() -> Outcome:
    """Run the scenarios, acting as the person's browser.

    Raises:
        NoStoreError: there is no store to be had.
        NotReadyError: a service did not start.
        FlowError, httpx.HTTPError: the browser did not get through.
    """
    with (
        open_test_store() as store,
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        deploy(store.url, Path(folder)) as deployment,
    ):
        port = free_port()
        client_id = asyncio.run(_register(deployment.issuer, f"http://127.0.0.1:{port}/callback"))
        return run(*_arguments(deployment, client_id, port), watch=_Person().watch)


def _arguments(deployment: Deployment, client_id: str, port: int) -> tuple[str, ...]:
    # A public client: the suite takes `none` wherever the metadata lists it, with a secret or without.
    return (
        *("authorization", "--url", deployment.issuer, "--resource", deployment.resource),
        *("--client-id", client_id, "--port", str(port)),
    )


async def _register(issuer: str, redirect_uri: str) -> str:
    async with httpx.AsyncClient(timeout=_STEP_SECONDS) as http:
        client = OAuthClient(http, issuer, redirect_uri)
        await client.register(token_endpoint_auth_method="none")
        return client.client_id


class _Person:
    """Sits at the browser: goes to the URL that the suite prints, signs in, approves, follows the answer."""

    def __init__(self) -> None:
        self._url: str | None = None

    def watch(self, line: str) -> None:
        if found := _ASKED_FOR.search(line):
            self._url = found.group()
        # Printed after the URL: before that there is nobody to come back to.
        if self._url and line.startswith("Callback server started"):
            asyncio.run(_visit(self._url))


async def _visit(url: str) -> None:
    async with httpx.AsyncClient(timeout=_STEP_SECONDS) as http:
        callback = await Browser(http, SANDBOX_TOKENS[0]).approve(url)
        await http.get(callback.url)
