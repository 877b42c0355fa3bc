"""GET and POST /oauth/auth: the request, the page that asks, the answer (OAuth 2.1 section 4.1)."""

import re
from dataclasses import dataclass
from html import escape
from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from mcp_server.sandbox.accounts import ACCOUNTS, by_username
from mcp_server.sandbox.links import LinksDep
from mcp_server.sandbox.oauth import clients, connections, scopes
from mcp_server.sandbox.oauth.clients import Client
from mcp_server.sandbox.oauth.connections import Asked
from mcp_server.sandbox.oauth.errors import PageError
from mcp_server.sandbox.oauth.forms import Parameters, form, query
from mcp_server.sandbox.oauth.metadata import is_resource, issuer
from mcp_server.sandbox.routes.state import StoreDep
from mcp_server.sandbox.store import Store

router = APIRouter()

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Val Town sandbox</title>
</head>
<body>
<h1>Allow {name} in your Val Town sandbox account?</h1>
<p>It asks for: {scopes}</p>
<form method="post">
<label for="account">Account</label>
<select id="account" name="account">{accounts}</select>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Refuse</button>
</form>
</body>
</html>
"""

QueryDep = Annotated[Parameters, Depends(query)]
FormDep = Annotated[Parameters, Depends(form)]


@dataclass(frozen=True, slots=True)
class _Request:
    asked: Asked
    client: Client
    state: str | None


class _ReturnedError(Exception):
    """A refusal that goes to the redirect URI."""

    def __init__(self, redirect_uri: str, state: str | None, error: str) -> None:
        super().__init__(error)
        self.redirect_uri = redirect_uri
        self.state = state
        self.error = error


@router.get("/oauth/auth")
def show(parameters: QueryDep, store: StoreDep, links: LinksDep) -> Response:
    """Ask the person."""
    try:
        checked = _checked(parameters, store, links.base)
    except _ReturnedError as error:
        return _back(error.redirect_uri, error.state, links.base, error=error.error)
    page = _PAGE.format(
        name=escape(checked.client.name),
        scopes=escape(checked.asked.scope),
        accounts="".join(f"<option>{account.username}</option>" for account in ACCOUNTS),
    )
    return HTMLResponse(page, headers={"Cache-Control": "no-store"})


@router.post("/oauth/auth")
def decide(
    request: Request, parameters: QueryDep, answer: FormDep, store: StoreDep, links: LinksDep
) -> Response:
    """Take the answer: anybody may be anybody here."""
    try:
        checked = _checked(parameters, store, links.base)
    except _ReturnedError as error:
        return _back(error.redirect_uri, error.state, links.base, error=error.error)
    account = by_username(answer.get("account", ""))
    to, state = checked.asked.redirect_uri, checked.state
    if answer.get("decision") != "allow" or account not in ACCOUNTS:
        return _back(to, state, links.base, error="access_denied")
    with store.oauth_writing() as session:
        code = connections.allow(session, checked.asked, account)
    return _back(to, state, links.base, code=code)


def _checked(parameters: Parameters, store: Store, base: str) -> _Request:
    with store.oauth_reading() as session:
        client = clients.find(session, parameters.get("client_id"))
    if client is None:
        raise PageError("client is invalid")
    redirect_uri, state = parameters.get("redirect_uri", ""), parameters.get("state")
    if redirect_uri not in client.metadata.redirect_uris:
        raise PageError("redirect_uri did not match any of the client's registered redirect_uris")

    def require(holds: bool, error: str) -> None:
        if not holds:
            raise _ReturnedError(redirect_uri, state, error)

    require(parameters.get("response_type") == "code", "unsupported_response_type")
    require(parameters.get("code_challenge_method") == "S256", "invalid_request")
    challenge = parameters.get("code_challenge", "")
    require(_CHALLENGE.fullmatch(challenge) is not None, "invalid_request")
    require(is_resource(parameters.get("resource", base), base), "invalid_target")
    wanted = scopes.known(parameters.get("scope", ""))
    if parameters.get("prompt") != "consent" or not client.may("refresh_token"):
        wanted -= {scopes.OFFLINE_ACCESS}
    asked = Asked(client.id, redirect_uri, challenge, scopes.text(wanted))
    return _Request(asked, client, state)


def _back(redirect_uri: str, state: str | None, base: str, **answer: str) -> Response:
    parts = urlsplit(redirect_uri)
    members = {**answer, **({} if state is None else {"state": state}), "iss": issuer(base)}
    search = "&".join(part for part in (parts.query, urlencode(members)) if part)
    return RedirectResponse(urlunsplit(parts._replace(query=search)), 303)
