"""The stack that the clients meet: two replicas of each service, every request sent to the next one."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from dev.deployment import environment
from dev.interop.matrix import Case, Client
from dev.mcp_messages import modern
from dev.replicas import Replicas, replicate
from dev.round_robin import Exchange, RoundRobin, round_robin
from dev.waiting import until
from shared.oauth.access_token import LEEWAY

ACCESS_TOKEN_SECONDS: Final = 3
EXPIRES_WITHIN: Final = ACCESS_TOKEN_SECONDS + LEEWAY + 1.0
"""Seconds after which mcp_server refuses an access token that was just issued."""
_REVOKED_SECONDS: Final = 5.0


class CommandFailedError(Exception):
    """`python -m auth_server` did not do what it was asked; the message has what it said."""


@dataclass
class Stack:
    """What runs, and the proxies before it."""

    auth: RoundRobin
    mcp: RoundRobin
    replicas: Replicas
    folder: Path

    @property
    def url(self) -> str:
        """The MCP endpoint, as clients see it."""
        return f"{self.mcp.url}/mcp"

    @property
    def seen(self) -> list[Exchange]:
        """Everything that went through either proxy, of each in its order."""
        return [*self.auth.seen, *self.mcp.seen]

    def forget(self) -> None:
        """Empty what the proxies have seen."""
        self.auth.seen.clear()
        self.mcp.seen.clear()

    async def register(self, case: Case) -> dict[str, Any]:
        """Register a client by the operator's command; return its id and its secret."""
        created = await self._command("clients", "create", "--name", str(case), *_redirect(case.client))
        return {"client_id": created["client_id"], "client_secret": created["client_secret"]}

    async def revoke(self, grant_id: str, token: str) -> None:
        """Take a grant back, and wait until both mcp_servers refuse its token.

        Raises:
            CommandFailedError: there is no such grant.
            TimeoutError: a replica still takes the token.
        """
        await self._command("grants", "revoke", grant_id)
        async with httpx.AsyncClient() as http:
            for replica in self.replicas.mcp:

                async def refuses(url: str = f"{replica}/mcp") -> bool:
                    answer = await modern("tools/list").send(http, url, token)
                    return answer.status_code == httpx.codes.UNAUTHORIZED

                await until(refuses, _REVOKED_SECONDS)

    async def _command(self, *arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "auth_server", *arguments, "--json"),
            env=environment(self.replicas.settings),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode:
            raise CommandFailedError(f"auth_server {' '.join(arguments[:2])}: {errors.decode()[-300:]}")
        return json.loads(output)


@asynccontextmanager
async def running(
    store_url: str, folder: Path, clients: Iterable[Client], resources: Iterable[str] = ()
) -> AsyncIterator[Stack]:
    """Run the stack for the length of the block.

    Args:
        store_url: of the store.
        folder: for logs, and homes of the clients.
        clients: that documents describe.
        resources: further resource servers that tokens may be for.

    Raises:
        NotReadyError: a service did not start.
    """
    documents = folder / "documents"
    documents.mkdir()
    for client in clients:
        _describe(client, documents)
    async with round_robin() as auth, round_robin() as mcp:
        settings = {
            "OAUTH_ISSUER_URL": auth.url,
            "MCP_RESOURCE_URL": f"{mcp.url}/mcp",
            "OAUTH_ACCESS_TOKEN_TTL": str(ACCESS_TOKEN_SECONDS),
            "OAUTH_RESOURCES": ",".join(resources),
            "OAUTH_CLIENT_DOCUMENTS": "pinned",
            "OAUTH_CLIENT_DOCUMENTS_DIR": str(documents),
        }
        with replicate(store_url, folder, auth=2, mcp=2, **settings) as replicas:
            auth.send_to(replicas.auth)
            mcp.send_to(replicas.mcp)
            yield Stack(auth, mcp, replicas, folder)


def _redirect(client: Client) -> tuple[str, str]:
    return "--redirect-uri", client.redirect_uri()


def _describe(client: Client, folder: Path) -> None:
    document = {
        "client_id": client.document_url,
        "client_name": client.title,
        "redirect_uris": [client.redirect_uri()],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    (folder / f"{client.name}.json").write_text(json.dumps(document), encoding="utf-8")
