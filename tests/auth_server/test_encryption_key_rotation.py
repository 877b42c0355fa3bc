"""OAUTH_ENCRYPTION_KEY is changed under running replicas, and no client and no open page is stranded."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from auth_server.domain.generate import digest
from dev.flow import Browser, OAuthClient, Pkce, claims_of
from shared.credentials import CredentialOwner, CredentialStore, credential_key
from shared.sealing import Sealer, sealing_key_id
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))


@asynccontextmanager
async def server_with(open_server: OpenServer, key: str, *others: str) -> AsyncIterator[AuthServer]:
    async with open_server(oauth_encryption_key=key, oauth_decryption_keys=",".join(others)) as server:
        yield server


def at(client: OAuthClient, server: AuthServer) -> OAuthClient:
    """Return the same client in front of another replica."""
    other = server.client(client.redirect_uri)
    other.client_id, other.client_secret = client.client_id, client.client_secret
    return other


def browser_at(browser: Browser, server: AuthServer) -> Browser:
    """Return the same browser, its next requests answered by another replica."""
    visitor = server.visitor()
    visitor.cookies = browser.http.cookies
    return Browser(visitor, browser.api_token)


@requirement("L233")
async def test_a_refresh_token_outlives_the_change_of_the_key(open_server: OpenServer, redis: Redis) -> None:
    async with server_with(open_server, OLD) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
    async with server_with(open_server, NEW, OLD) as server:
        answer = await at(client, server).refresh(tokens["refresh_token"])
        assert answer.status_code == 200
        newer = answer.json()
        # A repeated request gets the same answer, whichever key its token was made with.
        assert (await at(client, server).refresh(tokens["refresh_token"])).json() == newer
        assert await server.works()
    async with server_with(open_server, OLD, NEW) as server:
        # Back again, as when an update is taken back.
        assert (await at(client, server).refresh(newer["refresh_token"])).status_code == 200


@requirement("L233")
async def test_what_is_open_in_a_browser_goes_on_at_a_replica_with_the_new_key(
    open_server: OpenServer, redis: Redis
) -> None:
    async with server_with(open_server, OLD, NEW) as old, server_with(open_server, NEW, OLD) as new:
        client, browser, pkce = await old.registered(), old.browser(), Pkce.new()
        page = await browser.open(client.authorize_url(pkce))
        browser = browser_at(browser, new)
        page = await browser.sign_in(page)
        for server in (old, new):
            # The page that the new replica made is taken by the old one too.
            browser = browser_at(browser, server)
            answer = await browser.send(page, decision="nothing")
            assert "Choose to allow or to refuse" in told_to_the_person(answer)
        callback = await browser.decide(page)
        answer = await at(client, old).redeem(callback.parameters["code"], pkce.verifier)
        claims = claims_of(answer.json()["access_token"])
        owner = CredentialOwner(claims["gid"], claims["sub"], claims["client_id"])
        assert await CredentialStore(redis, old.settings.sealer).read(owner) == ADA


@requirement("L233")
async def test_a_page_of_a_key_that_is_gone_is_refused(open_server: OpenServer, redis: Redis) -> None:
    async with server_with(open_server, OLD) as server:
        client, browser = await server.registered(), server.browser()
        page = await browser.open(client.authorize_url(Pkce.new()))
        taken = await browser.sign_in(page)
        assert taken.url.path == "/oauth/consent"
    for key in ("vt:meta:key-check", "vt:{keys}:sealed", "vt:{keys}:state"):
        await redis.delete(key)
    async with server_with(open_server, NEW) as server:
        answer = await browser_at(browser, server).send(page, api_token=ADA)
        told_to_the_person(answer, 403)


@requirement("L233")
async def test_a_replica_that_lacks_the_key_that_others_seal_with_says_so_and_judges_nobody(
    open_server: OpenServer, redis: Redis
) -> None:
    async with server_with(open_server, NEW, OLD) as server, server_with(open_server, OLD) as behind:
        client, browser = await server.registered(), server.browser()
        tokens = await client.tokens(browser)
        answer = await behind.visitor().get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["keys"] == "failing"
        refused(await at(client, behind).refresh(tokens["refresh_token"]), 503, "temporarily_unavailable")
        page = await browser.open(client.authorize_url(Pkce.new()))
        asked = browser_at(browser, behind)
        for answer in (
            await asked.http.get(str(page.url)),
            await asked.send(page, decision="approve"),
        ):
            told_to_the_person(answer, 503)
            assert "retry-after" in answer.headers
        assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_the_old_key_seals_nothing_once_another_one_does(open_server: OpenServer, redis: Redis) -> None:
    async with server_with(open_server, NEW, OLD) as server:
        client, browser = await server.registered(), server.browser()
        tokens = await client.tokens(browser)
        current = Sealer(base64.b64decode(NEW)).key_id
        grant = claims_of(tokens["access_token"])["gid"]
        session = browser.http.cookies["__Host-vt_session"]
        kept = [
            await redis.get(credential_key(grant)),
            await redis.hget(f"vt:session:{digest(session)}", "credential"),
        ]
        assert {sealing_key_id(str(sealed)) for sealed in kept} == {current}
