"""POST /oauth/token and /oauth/token/revocation (RFC 6749 section 5, RFC 7009)."""

import base64
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from mcp_server.sandbox.links import LinksDep
from mcp_server.sandbox.oauth import clients, connections
from mcp_server.sandbox.oauth.clients import Client
from mcp_server.sandbox.oauth.connections import Issued
from mcp_server.sandbox.oauth.errors import OAuthError
from mcp_server.sandbox.oauth.forms import Parameters, form
from mcp_server.sandbox.oauth.metadata import is_resource
from mcp_server.sandbox.routes.state import StoreDep
from mcp_server.sandbox.store import Session, Store

router = APIRouter()
FormDep = Annotated[Parameters, Depends(form)]
_NO_STORE = {"Cache-Control": "no-store"}


@router.post("/oauth/token")
def token(request: Request, given: FormDep, store: StoreDep, links: LinksDep) -> JSONResponse:
    """Exchange a code or a refresh token."""
    client = _client(request, given, store)
    if not is_resource(given.get("resource", links.base), links.base):
        raise OAuthError("invalid_target", "resource indicator is missing, or unknown")
    with store.oauth_writing() as session:
        # Out of the transaction before a replay is refused, or what it ends would come back.
        issued = _exchange(session, given, client)
    if issued is None:
        raise OAuthError("invalid_grant", "grant request is invalid")
    body: dict[str, object] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": request.app.state.access_seconds or connections.ACCESS_SECONDS,
        "scope": issued.scope,
    }
    if issued.refresh_token:
        body["refresh_token"] = issued.refresh_token
    return JSONResponse(body, headers=_NO_STORE)


@router.post("/oauth/token/revocation")
def revoke(request: Request, given: FormDep, store: StoreDep) -> Response:
    """End what a token belongs to."""
    client = _client(request, given, store)
    with store.oauth_writing() as session:
        connections.revoke(session, given.get("token", ""), client_id=client.id)
    return Response(status_code=200, headers=_NO_STORE)


@router.post("/connections/{connection_id}/withdraw")
def withdraw(connection_id: str, store: StoreDep) -> JSONResponse:
    """Take access back, as a person does on Val Town's settings page."""
    with store.oauth_writing() as session:
        found = connections.end(session, connection_id)
    return JSONResponse({"withdrawn": found}, 200 if found else 404)


def _exchange(session: Session, given: Parameters, client: Client) -> Issued | None:
    kind = given.get("grant_type")
    if kind == "authorization_code":
        return connections.redeem(
            session,
            given.get("code", ""),
            client_id=client.id,
            redirect_uri=given.get("redirect_uri", ""),
            verifier=given.get("code_verifier", ""),
        )
    if kind == "refresh_token" and client.may("refresh_token"):
        return connections.refresh(session, given.get("refresh_token", ""), client_id=client.id)
    raise OAuthError("unsupported_grant_type", "unsupported grant_type requested")


def _client(request: Request, given: Parameters, store: Store) -> Client:
    client_id, secret = given.get("client_id"), given.get("client_secret")
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        name, _, password = _basic(encoded).partition(":")
        client_id, secret = unquote_plus(name), unquote_plus(password)
    with store.oauth_reading() as session:
        client = clients.find(session, client_id)
    if client is None or not client.has_secret(secret):
        raise OAuthError("invalid_client", "client authentication failed", 401)
    return client


def _basic(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""
